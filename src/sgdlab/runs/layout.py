"""Where everything lies in a store. `docs/store.md` draws the tree: who writes and who reads each file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Literal

from sgdlab.runs.attempt_folder import AttemptFolder
from sgdlab.runs.files import naming

DiskState = Literal["missing", "claimed", "failed", "published"]
FileStamp = tuple[int, int]  # time of the last change in ns, and size in bytes
Stamp = tuple[int, int, int, int]  # of a result file, and of the file of its curves
NO_FILE: FileStamp = (0, 0)
_MANY = 30  # names in a folder that take longer to be asked for one by one than all together


def file_stamp(path: str | Path) -> FileStamp:
    """Return the stamp of a file; `NO_FILE` where there is none."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return NO_FILE
    return status.st_mtime_ns, status.st_size


class Layout:
    """The paths of a store, and what their mere presence says."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root).absolute()
        self.runs = self.root / "runs"
        self.attempts = self.root / "attempts"
        self.journals = self.root / "journals"
        self.trash = self.root / "trash"

    def run_folder(self, key: str) -> Path:
        """Return the folder of a run; it appears when somebody claims the run."""
        return self.runs / key[:2] / key

    def result_path(self, key: str) -> Path:
        """Return the file that makes a run published."""
        return self.run_folder(key) / "result.json"

    def failure_path(self, key: str) -> Path:
        """Return the file that says why a run failed."""
        return self.run_folder(key) / "failed.json"

    def attempt(self, attempt: str) -> AttemptFolder:
        """Return the folder of an attempt."""
        return AttemptFolder(self.attempts / attempt)

    def has_result(self, key: str) -> bool:
        """Return whether the run is published: done or diverged, or since damaged."""
        return self.result_path(key).exists()

    def has_failed(self, key: str) -> bool:
        """Return whether the run has failed and waits for `sgdlab retry`."""
        return self.failure_path(key).exists()

    def is_settled(self, key: str) -> bool:
        """Return whether the run has an outcome: a result, or a failure."""
        return self.has_result(key) or self.has_failed(key)

    def state_on_disk(self, keys: Iterable[str]) -> dict[str, DiskState]:
        """Return what the presence of files says of each run; nothing is opened.

        `claimed`: somebody has begun it, and there is no outcome yet; `claims.Observer` says if they live.
        """
        states: dict[str, DiskState] = dict.fromkeys(keys, "missing")
        for key, folder in self._existing(states):
            if os.path.exists(f"{folder}/result.json"):
                states[key] = "published"
            elif os.path.exists(f"{folder}/failed.json"):
                states[key] = "failed"
            else:
                states[key] = "claimed"
        return states

    def stamps(self, curves_of: Mapping[str, str]) -> Iterator[tuple[str, Stamp | None]]:
        """Yield by key the stamp of each run, given with the name of its curves; None where it has no result.

        No file is opened.
        """
        runs = str(self.runs)
        for key, name in curves_of.items():
            folder = f"{runs}/{key[:2]}/{key}"
            of_result = file_stamp(f"{folder}/result.json")
            yield key, None if of_result is NO_FILE else of_result + file_stamp(f"{folder}/{name}")

    def published(self, keys: Iterable[str]) -> list[str]:
        """Return those of the keys that have a result, damaged or not; no file is opened."""
        return [key for key, folder in self._existing(keys) if os.path.exists(f"{folder}/result.json")]

    def every_key(self) -> Iterator[str]:
        """Yield the key of every run folder."""
        for prefix in sorted(self._names(self.runs)):
            yield from sorted(self._names(self.runs / prefix))

    def _existing(self, keys: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield the keys whose folder exists, with it: where many are asked for, one listing tells of all."""
        for prefix, group in groupby(sorted(keys), key=lambda key: key[:2]):
            folder = f"{self.runs}/{prefix}"
            members = list(group)
            present = self._names(Path(folder)) if len(members) >= _MANY else None
            for key in members:
                if os.path.exists(f"{folder}/{key}") if present is None else key in present:
                    yield key, f"{folder}/{key}"

    def _names(self, folder: Path) -> set[str]:
        with naming(self.root):
            try:
                return set(os.listdir(folder))
            except FileNotFoundError:
                return set()
