"""How wrong a penalty taken by finite differences was: measured in training, said wherever results are."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

_WORST = "penalty_relative_error.worst"
_TOLERABLE = 0.1


def describe_penalty_error(summaries: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return one line on the error of H·g over the runs that have a measured one; none if there are none.

    `summaries` has each run once, by its key: ``penalty_relative_error.worst`` → value among others.
    """
    worst = [summary[_WORST] for summary in summaries.values() if _WORST in summary]
    if not worst:
        return []
    runs = "1 run" if len(worst) == 1 else f"{len(worst)} runs"
    said = (
        f"Penalty by finite differences in {runs}: relative error of H·g, worst over training, "
        f"{statistics.median(worst):.2g} in the median run and {max(worst):.2g} at most"
    )
    num_distrusted = sum(error > _TOLERABLE for error in worst)
    if num_distrusted:
        said += (
            f"; above {_TOLERABLE} in {num_distrusted}, whose results are not those of the penalty "
            "(docs/penalty.md)"
        )
    return [f"{said}."]
