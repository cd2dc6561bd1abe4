"""Who holds a run, and whether they live.

Claim number n of a run is the file `claim.n` in its folder. The highest number holds; see `claims`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sgdlab.runs.attempt_folder import Holder
from sgdlab.runs.layout import Layout


@dataclass(frozen=True)
class Claim:
    """Claim `number` of a run. `holder` is None where the file can't be read."""

    key: str
    number: int
    holder: Holder | None

    @property
    def attempt(self) -> str:
        """The attempt that made it; a name of its own where the file can't be read."""
        return self.holder.attempt if self.holder else f"{self.key}/claim.{self.number}"


def read_claims(layout: Layout, key: str) -> list[Claim]:
    """Return the claims of a run, the oldest first."""
    folder = layout.run_folder(key)
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    numbers = sorted(int(name[6:]) for name in names if name.startswith("claim.") and name[6:].isdigit())
    return [Claim(key, number, Holder.read(folder / f"claim.{number}")) for number in numbers]


Sightings = dict[str, tuple[int | None, float]]
"""Attempt → the heartbeat that was seen, and since when."""

Judgement = Literal["alive", "ended", "silent"]
"""`ended`: for certain. `silent`: its heartbeat has not moved for longer than a lease."""


class Observer:
    """Judges whether an attempt lives, by what it has seen itself.

    An attempt lives unless it has said its last word, its process is gone (where that can be known: the same
    boot of the same machine), or this observer has seen its heartbeat unchanged for `lease_timeout_s` on its
    own clock. No two clocks are compared, so an observer must live as long as a lease to see one expire.
    """

    def __init__(
        self,
        layout: Layout,
        lease_timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
        sightings: Sightings | None = None,
    ) -> None:
        self._layout = layout
        self._lease_timeout_s = lease_timeout_s
        self._clock = clock
        self.sightings: Sightings = sightings or {}

    def holder(self, key: str) -> Holder | None:
        """Return who trains the run now; None if nobody does, or it has its outcome."""
        claims = read_claims(self._layout, key)
        if not claims or self._layout.is_settled(key) or not self.holds(claims[-1]):
            return None
        return claims[-1].holder

    def holds(self, claim: Claim) -> bool:
        """Return whether a claim, the newest of its run, keeps others out."""
        return self.is_alive(claim.attempt, claim.holder)

    def is_alive(self, attempt: str, holder: Holder | None) -> bool:
        """Return whether an attempt lives, as far as this observer can know."""
        return self.judge(attempt, holder) == "alive"

    def judge(self, attempt: str, holder: Holder | None) -> Judgement:
        """Say what has become of an attempt.

        Where `holder` is None (a file that is damaged, or not there yet) only time can tell.
        """
        heartbeat = None
        if holder is not None:
            folder = self._layout.attempt(attempt)
            if folder.has_ended() or holder.process.is_gone():
                return "ended"
            heartbeat = folder.read_heartbeat()
        now = self._clock()
        seen, since = self.sightings.setdefault(attempt, (heartbeat, now))
        if seen != heartbeat:
            self.sightings[attempt] = (heartbeat, now)
            return "alive"
        return "alive" if now - since < self._lease_timeout_s else "silent"

    def silent_for(self, attempt: str) -> float:
        """Return for how many seconds an attempt has shown no other heartbeat."""
        return self._clock() - self.sightings[attempt][1]

    def wordless_deaths(self, key: str, session: str) -> int:
        """Return how many attempts at the run, in this session, died without a word since it last got ahead.

        An attempt that brought the run's checkpoint further than all before it shows that the run isn't what
        kills: it counts as no death, and the count starts again.
        """
        deaths = furthest = 0
        claims = read_claims(self._layout, key)
        for claim in claims:
            if claim.holder is None:
                continue
            folder = self._layout.attempt(claim.holder.attempt)
            num_updates = folder.read_progress().get(key, 0)
            if num_updates > furthest:
                furthest, deaths = num_updates, 0
            elif claim.holder.session == session and not folder.has_ended():
                # whoever was taken over had been seen dead
                deaths += claim is not claims[-1] or not self.holds(claim)
        return deaths
