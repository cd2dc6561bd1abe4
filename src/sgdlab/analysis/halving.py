"""Successive halving over seeds: points that can hardly be the best get no more of them.

Jamieson & Talwalkar (2016): all candidates get a small budget, the better half of them twice as much, and so
on. The budget here is a number of seeds, not of updates: a run is identified by its whole budget, so one that
is stopped half way is no run of anything, while each finished one serves every figure that asks for it.

At a rung each candidate has the same seeds. Those whose mean, of the metric that chooses, is in the better
half go on; so does the error bar of the best, every point within one standard deviation of it, and so do its
neighbours on the grid, without which nobody would know that it is one. A point with too many diverged runs
for a value is stopped, too: it has none whatever follows. Only points are stopped of which the best is taken:
those that a claim reads for themselves, and those that are drawn for themselves, get every seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sgdlab.analysis.observations import Observation
from sgdlab.analysis.points import GridRuns, is_number
from sgdlab.analysis.protocol import spread_of, why_unusable
from sgdlab.analysis.tuning_problems import TuningProblem
from sgdlab.config.metrics import lower_is_better
from sgdlab.sweeps.spec import Protocol


@dataclass(frozen=True)
class _Score:
    """A candidate at a rung; a higher mean is better."""

    mean: float  # −∞ where no run is finite
    std: float


def halve(problem: TuningProblem, protocol: Protocol) -> list[int]:
    """Return the number of seeds that each candidate is asked for, (P,), as far as outcomes are known."""
    candidates = problem.grid_runs
    asked = [protocol.looks[0]] * len(candidates.points)
    going_on = list(range(len(candidates.points)))
    for rung in protocol.looks[:-1]:
        runs_at = [[run for run in candidates.runs[index] if run.seed < rung] for index in going_on]
        if any(run.state == "missing" for runs in runs_at for run in runs):
            break
        possible = [
            index
            for index, runs in zip(going_on, runs_at, strict=True)
            if sum(run.state == "diverged" for run in runs) <= protocol.num_seeds - protocol.keep
        ]
        scores = {index: _score(candidates.runs[index], rung, problem.metric) for index in possible}
        going_on = _survivors(scores, problem)
        following = protocol.looks[protocol.looks.index(rung) + 1]
        for index in going_on:
            asked[index] = following
    return asked


def _score(runs: Sequence[Observation], rung: int, metric: str) -> _Score:
    sign = -1.0 if lower_is_better(metric) else 1.0
    finite = [
        sign * run.metrics[metric] for run in runs if run.seed < rung and why_unusable(run, metric) is None
    ]
    spread = spread_of(finite)
    return _Score(-math.inf, 0.0) if spread is None else _Score(spread.mean, spread.std or 0.0)


def _survivors(scores: dict[int, _Score], problem: TuningProblem) -> list[int]:
    """Return the better half, the error bar of the best, and its neighbours; in the grid's order."""
    if not scores:
        return []
    ranked = sorted(scores, key=lambda index: -scores[index].mean)
    best = scores[ranked[0]]
    kept = set(ranked[: math.ceil(len(ranked) / 2)])
    kept |= {index for index in ranked if scores[index].mean >= best.mean - best.std}
    kept |= _neighbours(ranked[0], problem) & scores.keys()
    return sorted(kept)


def _neighbours(index: int, problem: TuningProblem) -> set[int]:
    """Return the next candidates on both sides of one along each tuned axis, all else being equal."""
    own: GridRuns = problem.grid_runs
    point, found = own.points[index], set()
    for axis in problem.tuned:
        if not is_number(point[axis]):
            continue
        line = [
            place
            for place, other in enumerate(own.points)
            if place != index and all(other[name] == value for name, value in point.items() if name != axis)
        ]
        below = [place for place in line if own.points[place][axis] < point[axis]]
        above = [place for place in line if own.points[place][axis] > point[axis]]
        found |= {max(below, key=lambda place: own.points[place][axis])} if below else set()
        found |= {min(above, key=lambda place: own.points[place][axis])} if above else set()
    return found
