"""Journals: each worker process appends what happened to a file of its own, which others follow.

A journal is news, never the truth: an event may be missing (its writer was killed after the fact and before
the word), so a reader asks the run folders before acting on it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from sgdlab.runs.files import StoreError, naming

Kind = Literal["claimed", "published", "failed", "released"]


@dataclass(frozen=True)
class Event:
    """One thing that happened to one run."""

    kind: Kind
    key: str
    attempt: str
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))  # for people
    detail: Mapping[str, Any] = field(default_factory=dict)  # the row of the index; the error and its log


@dataclass(frozen=True)
class Entry:
    """An event as read from a journal."""

    journal: str
    end: int  # bytes of the journal up to and including the event
    event: Event


class Journal:
    """The journal of one worker process."""

    def __init__(self, folder: Path, worker: str) -> None:
        self.path = folder / f"{worker}.jsonl"

    def append(self, event: Event) -> None:
        """Add an event by a single write, so that lines of two writers can't mix."""
        line = json.dumps(asdict(event), allow_nan=False, ensure_ascii=False).encode() + b"\n"
        with naming(self.path.parent):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                if _ends_torn(descriptor):
                    line = b"\n" + line
                if os.write(descriptor, line) < len(line):
                    raise StoreError(f"{self.path}: the disk took only a part of a line; free some space")
            finally:
                os.close(descriptor)


def read_new(folder: Path, offsets: Mapping[str, int], kind: Kind | None = None) -> Iterator[Entry]:
    """Yield what was appended to the journals of `folder` after `offsets` (journal → bytes read before).

    A last line without its end is left for the next time; a torn line in the middle is passed over. A journal
    shorter than its offset is another one under the same name, and read from its start. Where one `kind` is
    asked for, lines without that word are passed over unread.
    """
    with naming(folder):
        try:
            files = sorted((entry.name, entry.stat().st_size) for entry in os.scandir(folder))
        except FileNotFoundError:
            return
    for name, size in files:
        offset = offsets.get(name, 0)
        if offset > size:
            offset = 0
        if name.endswith(".jsonl") and offset < size:
            yield from _read_from(folder / name, offset, f'"{kind}"'.encode() if kind else b"")


def _read_from(path: Path, offset: int, word: bytes) -> Iterator[Entry]:
    with naming(path), path.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            if word not in line:
                continue
            try:
                event = Event(**json.loads(line))
            except (ValueError, TypeError):
                continue
            words = (event.kind, event.key, event.attempt, event.at)
            if not (all(isinstance(word, str) for word in words) and isinstance(event.detail, dict)):
                continue
            yield Entry(path.name, offset, event)


def _ends_torn(descriptor: int) -> bool:
    """Return whether the file's last line lacks its end: its writer was killed, or the disk was full."""
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
