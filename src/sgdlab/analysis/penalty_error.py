"""How wrong a penalty taken by finite differences was: measured in training, said wherever results are.

With ReLU a step that crosses a kink is wrong by factors, and rare ones are enough to spoil a training. An
error that is measured at evaluations alone can miss them: so such runs are named whatever was measured.
"""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Iterator, Mapping

from sgdlab.analysis.observations import Observation

_WORST = "penalty_relative_error.worst"
_TOLERABLE = 0.1


def describe_penalty_error(runs: Iterable[Observation]) -> list[str]:
    """Return what is to be said of the trained runs among these; one that is seen twice counts once."""
    trained = {run.key: run for run in runs if run.state in ("done", "diverged")}
    summaries = {key: run.metrics for key, run in trained.items()}
    return describe_summaries(summaries, [key for key, run in trained.items() if run.differences_kinks])


def describe_summaries(
    summaries: Mapping[str, Mapping[str, float]], across_kinks: Collection[str]
) -> list[str]:
    """Return a line on the measured error of H·g, and one on runs across kinks; none where all is exact.

    Parameters
    ----------
    summaries : Mapping
        Key of a trained run → its summary.
    across_kinks : Collection
        Keys of those that take finite differences with ReLU.
    """
    worst = [summary[_WORST] for summary in summaries.values() if _WORST in summary]
    return [*_describe_measured(worst), *_describe_kinks(len(across_kinks))]


def _describe_measured(worst: list[float]) -> Iterator[str]:
    if not worst:
        return
    runs = "1 run" if len(worst) == 1 else f"{len(worst)} runs"
    num_above = sum(error > _TOLERABLE for error in worst)
    above = f"; above {_TOLERABLE} in {num_above}" if num_above else ""
    yield (
        f"Penalty by finite differences in {runs}: relative error of H·g, worst over training, "
        f"{statistics.median(worst):.2g} in the median run and {max(worst):.2g} at most{above}."
    )
    if num_above:
        yield f"Above {_TOLERABLE} a run's results are not those of the penalty."


def _describe_kinks(num_runs: int) -> Iterator[str]:
    if num_runs:
        runs = "1 run takes" if num_runs == 1 else f"{num_runs} runs take"
        yield (
            f"{runs} finite differences with ReLU: unreliable even where the measured error is small, "
            "which misses rare kinks (docs/penalty.md)."
        )
