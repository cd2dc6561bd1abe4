"""The runs of a plan that wait for a worker, and how many of them are one worker's share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sgdlab.runs.observer import Observer
from sgdlab.runs.store import Store
from sgdlab.sweeps.plan import FrozenPlan


@dataclass(frozen=True)
class Share:
    """What a worker may take of the runs of one shape."""

    free: Sequence[str]  # keys that nobody trains, the longest runs first
    num_runs: int  # of them, at most


class WaitingRuns:
    """Looks at the store for runs that have no outcome and that nobody trains."""

    def __init__(self, plan: FrozenPlan, store: Store, observer: Observer, num_workers: int) -> None:
        self._store, self._observer, self._num_workers = store, observer, num_workers
        self._unsettled: dict[str, list[str]] = {}  # shape → keys, as far as this worker has seen
        for pack in plan.packs:
            self._unsettled.setdefault(pack.shape, []).extend(pack.keys)
        for keys in self._unsettled.values():
            keys.sort(key=lambda key: -plan.runs[key].num_updates)

    def is_free(self, key: str) -> bool:
        """Whether a run has no outcome, and nobody trains it."""
        return not self._store.is_settled(key) and self._observer.holder(key) is None

    def share(self, shape: str, num_running: int) -> Share:
        """Return what a worker that trains `num_running` runs of a shape may take besides.

        An equal part of what is free, and no more than leaves it an equal part of what is left in all: so
        that workers finish together.
        """
        states = self._store.state_on_disk(self._unsettled[shape])
        unsettled = [key for key in self._unsettled[shape] if states[key] in ("missing", "claimed")]
        self._unsettled[shape] = unsettled
        free = [key for key in unsettled if states[key] == "missing" or self._observer.holder(key) is None]
        fair = min(self._part(len(free)), self._part(len(unsettled)) - num_running)
        return Share(free, max(0, fair))

    def _part(self, num_runs: int) -> int:
        return math.ceil(num_runs / self._num_workers)
