"""One attempt of one worker at one pack of runs: its folder, its heartbeat, its last word."""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sgdlab.runs.attempt_folder import EndReason, Holder
from sgdlab.runs.cleaning import remove_if_spent
from sgdlab.runs.files import naming, replace, sync, temporary
from sgdlab.runs.journal import Event, Journal
from sgdlab.runs.layout import Layout
from sgdlab.runs.news import NewsDesk
from sgdlab.runs.processes import Process


class Attempt:
    """A living attempt; `Attempt.start` makes one, to be used in a `with` block.

    The block's end says the last word (`finished`, or `released` when it was interrupted, or `failed` after
    an error), and removes the folder unless a checkpoint or a log in it is still of use. A process that is
    killed says nothing, which is how others know.
    """

    def __init__(self, layout: Layout, session: str, process: Process, heartbeat_every_s: float) -> None:
        self.id = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{secrets.token_hex(4)}"
        self.holder = Holder(self.id, session, process)
        self.journal = Journal(layout.journals, f"{process.host}-{process.pid}-{process.pid_start}")
        self._layout = layout
        self._files = layout.attempt(self.id)
        self._claimed: list[str] = []
        self._predecessors: set[str] = set()
        self._desk: NewsDesk | None = None
        self._ended = False
        self._count = 0
        self._beating = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._beat_until_stopped, args=(heartbeat_every_s,), name="heartbeat", daemon=True
        )

    @classmethod
    def start(cls, layout: Layout, session: str, heartbeat_every_s: float) -> Self:
        """Make the attempt's folder and start its heartbeat; `session` is the id of the launching command.

        Raises
        ------
        StoreError
            If the store can't be written.
        """
        attempt = cls(layout, session, Process.current(), heartbeat_every_s)
        with naming(layout.root):
            attempt.folder.mkdir(parents=True)
            replace(attempt._files.holder_path, attempt.holder.to_json())
            attempt._beat()
        attempt._thread.start()
        return attempt

    @property
    def folder(self) -> Path:
        """The attempt's own folder."""
        return self._files.path

    @property
    def checkpoint_path(self) -> Path:
        """The latest checkpoint."""
        return self._files.checkpoint_path

    @property
    def log_path(self) -> Path:
        """Where the worker writes what it has to say."""
        return self._files.log_path

    @property
    def claimed(self) -> Sequence[str]:
        """The keys that this attempt has won."""
        return tuple(self._claimed)

    def train_on(self, device: str) -> None:
        """Say where the attempt trains; from then on it tells people how far it is."""
        self._desk = NewsDesk(device)

    def tell(self, updates_of: Mapping[str, int], num_made: int) -> None:
        """Say how far the runs in training are, and how many updates were made since the last word.

        Costs nothing: the thread of the heartbeat writes it down.
        """
        if self._desk is not None:
            self._desk.hear(updates_of, num_made)

    def record_claim(self, key: str, predecessors: Sequence[str]) -> None:
        """Note a run that was won, and the attempts that had it before; `claims.claim` calls this."""
        with naming(self.folder), self._files.claimed_path.open("a") as file:
            file.write(f"{key}\n")
        self._claimed.append(key)
        self._predecessors.update(predecessors)
        self.journal.append(Event("claimed", key, self.id))

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Store what fixes the bits of the training, before its first update."""
        with naming(self.folder):
            replace(self._files.manifest_path, json.dumps(dict(manifest), allow_nan=False, indent=1).encode())

    @contextmanager
    def new_checkpoint(self, progress: Mapping[str, int]) -> Iterator[Path]:
        """Give a path to write a checkpoint to; at the block's end it is the latest one, in one step.

        `progress` says which runs it holds, and how many updates of each.
        """
        with naming(self.folder):
            self.folder.mkdir(exist_ok=True)  # others may have cleared it while this process was stuck
            with temporary(self.checkpoint_path) as path:
                yield path
                sync(path)
                os.replace(path, self.checkpoint_path)
            self.record_progress(progress)

    def record_progress(self, progress: Mapping[str, int]) -> None:
        """Say how far each run can be taken up: a death after that isn't the fault of one that got ahead."""
        with naming(self.folder), suppress(FileNotFoundError):
            replace(self._files.progress_path, json.dumps(dict(progress)).encode())

    def end(self, reason: EndReason) -> None:
        """Say the last word, once: claims of this attempt that aren't published may be taken by anyone."""
        if self._ended:
            return
        self._ended = True
        self._stop.set()
        self._thread.join()
        unpublished = [key for key in self._claimed if not self._layout.has_result(key)]
        with (
            naming(self.folder),
            suppress(FileNotFoundError),
        ):  # removed as spent while this process was stuck
            replace(self._files.ended_path, json.dumps({"reason": reason}).encode())
        for key in unpublished:
            if not self._layout.has_failed(key):
                self.journal.append(Event("released", key, self.id))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.end("finished")
        else:
            self.end("failed" if isinstance(error, Exception) else "released")
        for attempt in {self.id, *self._predecessors}:
            remove_if_spent(self._layout, attempt)

    def _beat_until_stopped(self, every_s: float) -> None:
        while not self._stop.wait(every_s):
            try:
                self._beat()
            except FileNotFoundError:
                return  # others took this attempt for dead, finished its runs and cleared up
            except OSError:
                continue  # a full disk may have room again; until then the lease runs out, as it should

    def _beat(self) -> None:
        with self._beating:
            self._count += 1
            with temporary(self._files.heartbeat_path) as path:
                path.write_text(f"{self._count}\n")
                os.replace(path, self._files.heartbeat_path)
            if self._desk is not None:
                with temporary(self._files.news_path) as path:
                    path.write_bytes(self._desk.news().to_json())
                    os.replace(path, self._files.news_path)
