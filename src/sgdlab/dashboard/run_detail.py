"""Everything that the store knows of one run: its result or failure, its attempts, the end of their log."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sgdlab.errors import UserError
from sgdlab.runs.journal import Entry, read_new
from sgdlab.runs.observer import read_claims
from sgdlab.runs.result import NoResultError, RunResult
from sgdlab.runs.store import Failure, Store

_KEY = re.compile(r"[0-9a-f]{8,64}")
_TAIL_BYTES = 16_384
_TAIL_LINES = 60
_MOST_JOURNAL_BYTES = 64_000_000  # all that ten thousand runs and more write


@dataclass(frozen=True)
class Log:
    """The end of what an attempt printed."""

    path: Path
    tail: str


@dataclass(frozen=True)
class RunDetail:
    """One run, as it lies on the disk."""

    key: str
    state: str  # done, diverged, failed, claimed, missing, damaged
    result: RunResult | None
    curves: Mapping[str, np.ndarray]
    failure: Failure | None
    problem: str | None  # what is damaged
    updates_made: int | None  # of a run in training, by its latest checkpoint
    events: tuple[Entry, ...]  # from the journals, the oldest first
    logs: tuple[Log, ...]


def run_detail(key: str, store: Store) -> RunDetail | None:
    """Gather what is known of a run; None where the store has never heard of it, or it is no key."""
    if not _KEY.fullmatch(key):
        return None
    state: str = store.state_on_disk([key])[key]
    if state == "missing":
        return None
    result, curves, failure, problem = None, {}, None, None
    try:
        with suppress(NoResultError):
            result = store.read_result(key)
            state = result.state
            curves = store.read_curves(key)
        failure = store.read_failure(key)
    except UserError as error:
        state, problem = "damaged", str(error)
    attempts = list(dict.fromkeys(_attempts(key, store, result, failure)))
    progress = [
        made for name in attempts if (made := store.attempt(name).read_progress().get(key)) is not None
    ]
    return RunDetail(
        key=key,
        state=state,
        result=result,
        curves=curves,
        failure=failure,
        problem=problem,
        updates_made=max(progress, default=None) if result is None else None,
        events=tuple(_events(key, store)),
        logs=tuple(_logs(attempts, failure, store)),
    )


def tail_of(path: Path) -> str | None:
    """Return the last lines of a text file; None if it can't be read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return None
    return "\n".join(text.splitlines()[-_TAIL_LINES:])


def is_within(path: Path, folder: Path) -> bool:
    """Whether a path, links followed, lies in a folder: a store's own words may name any file."""
    return path.resolve().is_relative_to(folder.resolve())


def _attempts(key: str, store: Store, result: RunResult | None, failure: Failure | None) -> Iterator[str]:
    for claim in reversed(read_claims(store, key)):
        if claim.holder is not None:
            yield claim.holder.attempt
    if failure is not None:
        yield failure.attempt
    if result is not None and (attempt := result.provenance.get("attempt")):
        yield attempt


def _logs(attempts: list[str], failure: Failure | None, store: Store) -> Iterator[Log]:
    paths = [store.attempt(name).log_path for name in attempts]
    if failure is not None:
        paths.insert(0, failure.log)
    for path in dict.fromkeys(paths):
        if is_within(path, store.root) and (tail := tail_of(path)) is not None:
            yield Log(path, tail)


def _events(key: str, store: Store) -> Iterator[Entry]:
    """Yield what journals say of a run; nothing where there is too much to read."""
    with suppress(OSError):
        if sum(path.stat().st_size for path in store.journals.glob("*.jsonl")) > _MOST_JOURNAL_BYTES:
            return
        found = [entry for entry in read_new(store.journals, {}, None) if entry.event.key == key]
        yield from sorted(found, key=lambda entry: entry.event.at)
