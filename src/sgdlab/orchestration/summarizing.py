"""What the tracker is told of whole sweeps, once their runs have ended."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sgdlab.analysis.collect import observe
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
    from sgdlab.tracking.summary_export import export_summary  # plotting: not everyone is tracked

    written = []
    for sweep, known in sweeps:
        observations = observe(sweep, known, store)
        if observations and all(one.state != "missing" for one in observations):
            folder = export_summary(sweep, observations, tracker)
            written += [folder] if folder is not None else []
    return written
