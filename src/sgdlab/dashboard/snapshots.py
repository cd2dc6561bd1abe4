"""What has been computed of each sweep, computed again only where something has changed.

Whether anything has changed is told by a *mark*, which costs a look at a few folders: how long the journals
are, when attempts began and ended, what extensions have added. What leaves no trace there (a run cleared
away, a file damaged) is found by looking at every run of a sweep from time to time. A sweep that takes long
to compute is computed less often, so that training keeps the machine.
"""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sgdlab.analysis.collect import observe
from sgdlab.analysis.observations import Observation
from sgdlab.dashboard.catalogue import Catalogue
from sgdlab.errors import UserError
from sgdlab.reports.section import SweepSection, section_of
from sgdlab.runs.store import Store
from sgdlab.sweeps.spec import Sweep

_LOOK_AT_ALL_EVERY_S = 30.0
_IDLE_PER_WORK = 9.0  # computing takes a tenth of the time at most

Runs = tuple[Observation, ...]


@dataclass(frozen=True)
class Snapshot:
    """A sweep as it stood at one moment."""

    name: str
    revision: int  # counts the snapshots that differ
    sweep: Sweep | None  # None where its file can't be read
    section: SweepSection | None  # None where it can't be computed
    runs: Runs  # in the order of the sweep's grids
    problem: str | None  # why there is no section


class Snapshots:
    """The latest snapshot of each sweep; may be asked by several threads."""

    def __init__(self, catalogue: Catalogue, clock: Callable[[], float] = time.monotonic) -> None:
        self.catalogue = catalogue
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def of(self, name: str) -> Snapshot:
        """Return the sweep as it stands now, or stood a moment ago."""
        with self._locks[name]:
            kept, now = self._kept.get(name), self._clock()
            mark = store_mark(self.catalogue.store)
            if kept is None or (
                now >= kept.not_before and (kept.mark != mark or now - kept.looked_at > _LOOK_AT_ALL_EVERY_S)
            ):
                snapshot = self._look(name, kept.snapshot if kept else None)
                took = self._clock() - now
                not_before = self._clock() + _IDLE_PER_WORK * took
                kept = self._kept[name] = _Kept(snapshot, mark, now, not_before)
            return kept.snapshot

    def has(self, name: str, key: str) -> bool:
        """Whether a sweep that has been looked at asks for a run."""
        kept = self._kept.get(name)
        return kept is not None and any(run.key == key for run in kept.snapshot.runs)

    def _look(self, name: str, earlier: Snapshot | None) -> Snapshot:
        revision = earlier.revision + 1 if earlier else 1
        try:
            sweep = self.catalogue.sweep(name)
            known = self.catalogue.known(name)
        except UserError as error:
            return _without_runs(name, revision, str(error), earlier)
        try:
            runs = tuple(observe(sweep, known, self.catalogue.store))
        except UserError as error:
            return _without_runs(name, revision, str(error), earlier, sweep)
        if earlier and earlier.sweep == sweep and _states(earlier.runs) == _states(runs):
            return earlier
        try:
            section, problem = section_of(sweep, runs, {}), None
        except UserError as error:
            section, problem = None, str(error)
        return Snapshot(name, revision, sweep, section, runs, problem)


def store_mark(store: Store) -> tuple[tuple[str, int, int], ...]:
    """Return what changes whenever runs are claimed, published or fail; no run is looked at."""
    return tuple(sorted(_entries(store)))


@dataclass(frozen=True)
class _Kept:
    snapshot: Snapshot
    mark: tuple[tuple[str, int, int], ...]
    looked_at: float
    not_before: float


def _entries(store: Store) -> Iterator[tuple[str, int, int]]:
    for entry in _scan(store.journals):
        status = entry.stat()
        yield entry.path, status.st_size, 0
    for folder in (store.attempts, store.runs, store.root / "submissions"):
        if (status_of := _stat(folder)) is not None:
            yield str(folder), 0, status_of.st_mtime_ns
    for entry in _scan(store.root / "extensions"):
        yield entry.path, 0, entry.stat().st_mtime_ns


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _states(runs: Runs) -> list[tuple[str, str]]:
    return [(run.key, run.state) for run in runs]


def _without_runs(
    name: str, revision: int, problem: str, earlier: Snapshot | None, sweep: Sweep | None = None
) -> Snapshot:
    if earlier and earlier.problem == problem and not earlier.runs:
        return earlier
    return Snapshot(name, revision, sweep, None, (), problem)
