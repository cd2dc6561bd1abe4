"""Counting the runs of one sweep: those at rest once, those in training each time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sgdlab.launch.live.attempts import AttemptSeen
from sgdlab.launch.live.outcomes import DiskState
from sgdlab.launch.live.state import STATES, SweepState
from sgdlab.sweeps.standing import ago

_SETTLED = ("done", "diverged")
_OPEN = ("missing", "claimed")


@dataclass(frozen=True)
class Held:
    """The runs without an outcome that attempts hold or have left, over the whole store."""

    running: Mapping[str, AttemptSeen]  # key → who trains it
    unknown: Mapping[str, AttemptSeen]  # key → who may train it: nothing was heard of them
    updates_of: Mapping[str, int]  # key → updates made, or left in a checkpoint
    pace_of: Mapping[str, float]  # key → updates a second: its share of its worker's

    @classmethod
    def by(cls, attempts: Sequence[AttemptSeen], states: Mapping[str, DiskState]) -> Held:
        """Tell who holds which of the runs; where two do, the one that lives, and the later one."""
        running: dict[str, AttemptSeen] = {}
        unknown: dict[str, AttemptSeen] = {}
        updates_of: dict[str, int] = {}
        pace_of: dict[str, float] = {}
        for attempt in attempts:
            keys = [key for key in attempt.keys if states.get(key) in _OPEN]
            holding = {"training": running, "silent": unknown}.get(attempt.state)
            if holding is not None:
                holding.update(dict.fromkeys(keys, attempt))
            for key in keys:
                updates_of[key] = max(updates_of.get(key, 0), attempt.progress.get(key, 0))
            if attempt.state == "training" and attempt.news and attempt.news.updates_per_s is not None:
                pace_of |= dict.fromkeys(keys, attempt.news.updates_per_s / max(1, len(keys)))
        unknown = {key: attempt for key, attempt in unknown.items() if key not in running}
        return cls(running, unknown, updates_of, pace_of)


class SweepCount:
    """The runs of one sweep."""

    def __init__(self, title: str, num_updates: Mapping[str, int], problem: str | None = None) -> None:
        self.title = title
        self.num_updates = num_updates  # key → updates of the whole run
        self._problem = problem
        self._at_rest: Counter[DiskState] | None = None
        self._updates_settled = self._updates_open = 0

    def forget(self, changed: Collection[str]) -> None:
        """Count anew if one of the runs that have changed is of this sweep."""
        if any(key in self.num_updates for key in changed):
            self._at_rest = None

    def state(self, states: Mapping[str, DiskState], held: Held) -> SweepState:
        """Count."""
        at_rest = self._count_at_rest(states)
        running = [key for key in held.running if key in self.num_updates]
        unknown = [key for key in held.unknown if key in self.num_updates]
        in_hand = Counter(states[key] for key in (*running, *unknown))
        counts: dict[str, int] = dict.fromkeys(STATES, 0)
        counts.update((state, number) for state, number in at_rest.items() if state not in _OPEN)
        counts |= {
            "running": len(running),
            "unknown": len(unknown),
            "interrupted": at_rest["claimed"] - in_hand["claimed"],
            "waiting": at_rest["missing"] - in_hand["missing"],
        }
        made = sum(
            min(updates, self.num_updates[key])
            for key, updates in held.updates_of.items()
            if key in self.num_updates
        )
        paces = [held.pace_of[key] for key in running if key in held.pace_of]
        silence = max((held.unknown[key].silent_s for key in unknown), default=0.0)
        return SweepState(
            title=self.title,
            counts=counts if self._problem is None else {},
            updates_done=self._updates_settled + made,
            updates_left=self._updates_open - made,
            updates_total=sum(self.num_updates.values()) if self._problem is None else 0,
            updates_per_s=sum(paces) if paces else None,
            unknown_since=ago(silence),
            problem=self._problem,
        )

    def _count_at_rest(self, states: Mapping[str, DiskState]) -> Counter[DiskState]:
        if self._at_rest is None:
            own = {key: states[key] for key in self.num_updates if key in states}
            self._at_rest = Counter(own.values())
            self._updates_settled = self._updates_open = 0
            for key, state in own.items():
                if state in _SETTLED:
                    self._updates_settled += self.num_updates[key]
                elif state in _OPEN:
                    self._updates_open += self.num_updates[key]
        return self._at_rest
