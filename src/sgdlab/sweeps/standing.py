"""The state of every run of a survey, told from the run folders."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from sgdlab.errors import UserError
from sgdlab.runs.observer import Observer
from sgdlab.runs.store import Failure, Store
from sgdlab.sweeps.survey import Census


@dataclass(frozen=True)
class Standing:
    """How many runs are in which state, what failed, and what is damaged."""

    counts: dict[str, int]  # done, diverged, running, interrupted, failed, damaged, waiting
    failures: list[Failure]
    damages: list[str]  # which file, what is wrong with it, and the way out

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        failures = [{**asdict(failure), "log": str(failure.log)} for failure in self.failures]
        return {"counts": self.counts, "failures": failures, "damages": self.damages}


def standing_of(census: Census, store: Store) -> Standing:
    """Tell the state of each run.

    `running`: a living worker holds it. `interrupted`: whoever held it is gone or has let go; the next
    command goes on with it. A worker on another machine counts as living: only time can tell, and this
    function doesn't wait.
    """
    observer = Observer(store, lease_timeout_s=math.inf)
    running = [key for key in census.claimed if observer.holder(key) is not None]
    states = [run.state for run in census.stored.values()]
    counts = {
        "done": states.count("done"),
        "diverged": states.count("diverged"),
        "running": len(running),
        "interrupted": len(census.claimed) - len(running),
        "failed": len(census.failed),
        "damaged": len(census.damaged),
        "waiting": len(census.missing) - len(census.claimed),
    }
    failures = [failure for key in census.failed if (failure := store.read_failure(key)) is not None]
    return Standing(counts, failures, [_damage_of(key, store) for key in census.damaged])


def _damage_of(key: str, store: Store) -> str:
    try:
        store.verify(key)
    except UserError as error:
        return str(error)
    return f"the run {key} was damaged a moment ago"
