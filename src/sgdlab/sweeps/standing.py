"""The state of every run of a survey, told from the run folders."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sgdlab.errors import UserError
from sgdlab.runs.observer import Judgement, read_claims
from sgdlab.runs.sightings import remembering_observer
from sgdlab.runs.store import Failure, Store
from sgdlab.sweeps.survey import Census

SILENT_AFTER_S = 180.0  # as long as a lease on a cluster


@dataclass(frozen=True)
class Standing:
    """How many runs are in which state, what failed, and what is damaged."""

    counts: dict[str, int]  # done, diverged, running, unknown, interrupted, failed, damaged, waiting
    unknown_since: str | None  # ISO 8601: since when nothing was heard of the first of the unknown ones
    failures: list[Failure]
    damages: list[str]  # which file, what is wrong with it, and the way out

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        failures = [{**asdict(failure), "log": str(failure.log)} for failure in self.failures]
        return {
            "counts": self.counts,
            "unknown_since": self.unknown_since,
            "failures": failures,
            "damages": self.damages,
        }


def standing_of(census: Census, store: Store) -> Standing:
    """Tell the state of each run.

    `running`: a living worker holds it. `interrupted`: whoever held it is gone or has let go; the next
    command goes on with it. `unknown`: earlier calls on this machine saw the same heartbeat, too long ago;
    whether its worker lives, on a machine that can't be asked, nobody knows.
    """
    judged: list[Judgement] = []
    silences = [0.0]
    with remembering_observer(store, SILENT_AFTER_S) as observer:
        for key in census.claimed:
            claims = read_claims(store, key)
            attempt = claims[-1].attempt if claims else None
            judged.append(observer.judge(attempt, claims[-1].holder) if attempt else "ended")
            if attempt and judged[-1] == "silent":
                silences.append(observer.silent_for(attempt))
    states = [run.state for run in census.stored.values()]
    counts = {
        "done": states.count("done"),
        "diverged": states.count("diverged"),
        "running": judged.count("alive"),
        "unknown": judged.count("silent"),
        "interrupted": judged.count("ended"),
        "failed": len(census.failed),
        "damaged": len(census.damaged),
        "waiting": len(census.missing) - len(census.claimed),
    }
    failures = [failure for key in census.failed if (failure := store.read_failure(key)) is not None]
    damages = [damage_of(key, store) for key in census.damaged]
    return Standing(counts, ago(max(silences)), failures, damages)


def ago(seconds: float) -> str | None:
    """Return when that was, ISO 8601; None for no time at all."""
    if not seconds:
        return None
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="seconds")


def damage_of(key: str, store: Store) -> str:
    """Say which file of a run is damaged, and what is wrong with it."""
    try:
        store.verify(key)
    except UserError as error:
        return str(error)
    return f"the run {key} was damaged a moment ago"
