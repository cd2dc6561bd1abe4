"""The state of every run on disk: told by the run folders now and then, kept up by the journals between."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from sgdlab.runs.files import naming
from sgdlab.runs.journal import Entry, read_new
from sgdlab.runs.store import Store
from sgdlab.sweeps.survey import Census

DiskState = Literal["done", "diverged", "damaged", "failed", "claimed", "missing"]

_BYTES_OF_THE_PAST = 32_768  # of each journal: some tens of ends


@dataclass(frozen=True)
class SweepLook:
    """One sweep, and what was found of its runs, or why that can't be told."""

    title: str
    num_updates: Mapping[str, int]  # key → updates of the whole run
    census: Census | None
    problem: str | None = None


class Outcomes:
    """Key → state on disk, of the runs of some sweeps."""

    def __init__(self, store: Store) -> None:
        self.states: dict[str, DiskState] = {}
        self._store = store
        self._offsets: dict[str, int] | None = None

    def take_over(self, looks: Iterable[SweepLook]) -> None:
        """Believe what was found in the run folders."""
        self.states = {key: state for look in looks if look.census for key, state in _states_of(look.census)}

    def follow(self) -> list[Entry]:
        """Take in what journals say is new; return it. The first time: the end of what they said before."""
        if self._offsets is None:
            self._offsets = self._near_the_ends()
        entries = list(read_new(self._store.journals, self._offsets))
        for entry in entries:
            self._offsets[entry.journal] = entry.end
        news = {entry.event.key: entry for entry in entries if entry.event.key in self.states}
        self.ask_disk(news)
        for entry in entries:
            if self.states.get(entry.event.key) == "done" and entry.event.detail.get("state") == "diverged":
                self.states[entry.event.key] = "diverged"
        return entries

    def ask_disk(self, keys: Iterable[str]) -> None:
        """Look for the outcome of runs; one that has a result already keeps its state."""
        for key, state in self._store.state_on_disk(keys).items():
            if state != "published":
                self.states[key] = state
            elif self.states[key] not in ("done", "diverged", "damaged"):
                self.states[key] = "done"

    def _near_the_ends(self) -> dict[str, int]:
        with naming(self._store.journals):
            try:
                sizes = {entry.name: entry.stat().st_size for entry in os.scandir(self._store.journals)}
            except FileNotFoundError:
                return {}
        return {name: max(0, size - _BYTES_OF_THE_PAST) for name, size in sizes.items()}


def _states_of(census: Census) -> Iterator[tuple[str, DiskState]]:
    claimed = set(census.claimed)
    for key in census.missing:
        yield key, "claimed" if key in claimed else "missing"
    for key in census.failed:
        yield key, "failed"
    for key in census.damaged:
        yield key, "damaged"
    for key, outcome in census.stored.items():
        yield key, outcome.state
