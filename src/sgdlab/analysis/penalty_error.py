"""How wrong a penalty taken by finite differences was: measured in training, said in results."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from sgdlab.analysis.observations import Observation

_WORST = "penalty_relative_error.worst"
_TOLERABLE = 0.1


def describe_penalty_error(runs: Iterable[Observation]) -> list[str]:
    """Return one line on the error of H·g over the runs that have a measured one; none if there are none."""
    worst = list({run.key: run.metrics[_WORST] for run in runs if _WORST in run.metrics}.values())
    if not worst:
        return []
    middle = statistics.median(worst)
    distrust = "; its results are not those of the penalty" if middle > _TOLERABLE else ""
    return [
        f"Penalty by finite differences in {len(worst)} runs: relative error of H·g, worst over training, "
        f"{middle:.2g} in the median run and {max(worst):.2g} at most{distrust}."
    ]
