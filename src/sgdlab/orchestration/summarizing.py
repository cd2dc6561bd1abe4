"""What the tracker is told of whole sweeps, once their runs have ended."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from sgdlab.analysis.collect import observe
from sgdlab.analysis.observations import Observation
from sgdlab.config.execution import Tracker, WandbTracker
from sgdlab.runs.store import Store
from sgdlab.sweeps.remembered import SweepKeys
from sgdlab.sweeps.spec import Sweep


def summarize(sweeps: Iterable[tuple[Sweep, SweepKeys]], store: Store, tracker: Tracker) -> list[Path]:
    """Write the W&B summary of each sweep of which no run is missing; return what was written.

    One that shows the sweep's state already stays. Raises as `export_summary` does.
    """
    if not isinstance(tracker, WandbTracker):
        return []
    written = [_summarize(sweep, observe(sweep, known, store), tracker) for sweep, known in sweeps]
    return [folder for folder in written if folder is not None]


def summarize_exported(
    sweep: Sweep, known: SweepKeys, store: Store, tracker: WandbTracker, exported: Collection[str]
) -> Path | None:
    """Write a sweep's summary, as `summarize` does, if all of its runs that have ended are exported."""
    observations = observe(sweep, known, store)
    ended = {one.key for one in observations if one.state in ("done", "diverged")}
    return _summarize(sweep, observations, tracker) if ended.issubset(exported) else None


def _summarize(sweep: Sweep, observations: Sequence[Observation], tracker: WandbTracker) -> Path | None:
    from sgdlab.tracking.summary_export import export_summary  # drawing: not everyone is tracked

    if not observations or any(one.state == "missing" for one in observations):
        return None
    return export_summary(sweep, observations, tracker)
