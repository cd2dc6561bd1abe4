"""The papers' protocol: the mean of the best k of n runs of a point.

Runs are ranked by `protocol.rank_by`, whatever metric is displayed; mean and standard deviation (ddof 1) of
the displayed metric are taken over the k that rank first. So all metrics of a figure speak of the same runs.
A diverged run ranks last whatever it had reached, and has no value; fewer than k runs with finite values give
no value. Equal ranks are ordered by seed, which the results can't influence.

The best 5 of 12 lie further above the mean than the best 5 of 7. So where seeds are added until claims are
decided, and points have different n, a value is the mean over all finite runs, k of which are still needed.
Where halving stops points, these have no value, and all others have their n.

Choosing the best runs flatters (the best 5 of 7 by 0.4 standard deviations), and so does choosing the best
epoch on the test set. Beside the value stand the mean over all n, with a bootstrap interval, and
`NAME.honest`: the epoch is chosen on one half of the test set, read on the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sgdlab.analysis.estimators.estimate import MIN_SEEDS, mean_interval
from sgdlab.analysis.observations import Observation, State
from sgdlab.analysis.points import GridRuns, Point, describe_place, refuse_duplicates
from sgdlab.config.metrics import lower_is_better
from sgdlab.errors import UsageError
from sgdlab.sweeps.spec import Protocol

Standing = Literal["valued", "diverged", "unfinished", "stopped"]
"""Stopped: successive halving has given the point no more seeds, and so it has no value."""


@dataclass(frozen=True)
class LeftOut:
    """A run that the mean doesn't contain, and why."""

    key: str  # empty where no such run was ever planned
    seed: int
    state: State
    reason: str


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (ddof 1; None of a single run) over `num_runs` runs."""

    mean: float
    std: float | None
    num_runs: int


@dataclass(frozen=True)
class PointSummary:
    """One point of one curve by the protocol."""

    panel: str
    grid: str
    point: Point
    metric: str
    best: Spread | None  # over the kept k; None where fewer than k runs are finite
    unselected: Spread | None  # the same metric over every finite run
    finite: tuple[float, ...]  # what that is made of
    honest: Spread | None  # NAME.honest over every finite run that has it
    kept_seeds: tuple[int, ...]  # from the best on
    left_out: tuple[LeftOut, ...]  # by seed
    num_asked: int  # by the protocol, less those that its rule for seeds spares
    num_done: int
    num_diverged: int
    num_failed: int
    num_missing: int
    num_spared: int  # that the protocol's rule for seeds doesn't ask for
    standing: Standing  # without a value: have too many diverged for there ever to be one?
    note: str | None  # why there is no value

    @property
    def value(self) -> float | None:
        """The mean over the kept runs."""
        return None if self.best is None else self.best.mean

    @property
    def std(self) -> float | None:
        """The standard deviation over the kept runs."""
        return None if self.best is None else self.best.std

    @property
    def unselected_interval(self) -> tuple[float, float] | None:
        """The 95 % bootstrap interval of the mean over every finite run; None of fewer than three."""
        return mean_interval(self.finite) if len(self.finite) >= MIN_SEEDS else None


def summarize_point(observations: Sequence[Observation], protocol: Protocol, metric: str) -> PointSummary:
    """Summarize the runs of one point; their order doesn't matter.

    Raises
    ------
    UsageError
        If there is no observation at all, a seed comes twice, or there are more runs than were asked for.
    """
    if not observations:
        raise UsageError(f"no observation of {metric} to summarize")
    runs = sorted(observations, key=lambda run: run.seed)
    refuse_duplicates(runs)
    if len(runs) > protocol.num_seeds:
        raise UsageError(
            f"{describe_place(runs[0])} has {len(runs)} runs, and protocol.num_seeds={protocol.num_seeds}"
        )
    reasons = {run.seed: run.why or why_unusable(run, protocol.rank_by, metric) for run in runs}
    finite = sorted(
        (run for run in runs if reasons[run.seed] is None), key=lambda run: _rank(run, protocol.rank_by)
    )
    kept = finite[: _num_kept(runs, len(finite), protocol)]
    for place, run in enumerate(finite[len(kept) :], start=len(kept) + 1):
        reasons[run.seed] = _why_not_kept(run, place, len(finite), protocol)
    states = [run.state for run in runs]
    num_diverged = states.count("diverged")
    first = runs[0]
    return PointSummary(
        panel=first.panel,
        grid=first.grid,
        point=first.point,
        metric=metric,
        best=spread_of([run.metrics[metric] for run in kept]),
        unselected=spread_of([run.metrics[metric] for run in finite]),
        finite=tuple(run.metrics[metric] for run in sorted(finite, key=lambda run: run.seed)),
        honest=_honest(finite, metric),
        kept_seeds=tuple(run.seed for run in kept),
        left_out=tuple(
            LeftOut(run.key, run.seed, run.state, reason) for run in runs if (reason := reasons[run.seed])
        ),
        num_asked=protocol.num_seeds - states.count("spared"),
        num_done=states.count("done"),
        num_diverged=num_diverged,
        num_failed=states.count("failed"),
        num_missing=states.count("missing") + protocol.num_seeds - len(runs),
        num_spared=states.count("spared"),
        standing=_standing(states, len(finite), protocol),
        note=None if kept else _why_no_value(runs, len(finite), protocol),
    )


def summarize_curve(grid_runs: GridRuns, protocol: Protocol, metric: str) -> list[PointSummary]:
    """Summarize every point of a grid, in the order of its axes; points without a value stay."""
    return [summarize_point(runs, protocol, metric) for runs in grid_runs.runs]


def why_unusable(run: Observation, *metrics: str) -> str | None:
    """Return why a run has no value for all of `metrics`; None if it has."""
    if run.state != "done":
        return run.state
    for metric in metrics:
        if metric not in run.metrics:
            return f"has no {metric}"
        if not math.isfinite(run.metrics[metric]):
            return f"{metric} is {run.metrics[metric]}"
    return None


def describe_value(protocol: Protocol) -> str:
    """Say what the value of a point is: ``best 5 of 7``, ``all of 5 to 12``."""
    if protocol.seeds == "claims":
        return f"all of {protocol.looks[0]} to {protocol.num_seeds}"
    return f"best {protocol.keep} of {protocol.num_seeds}"


def standing_of(num_finite: int, num_diverged: int, num_needed: int, num_seeds: int) -> Standing:
    """Say whether a point has its value, can't have one any more, or may still get it."""
    if num_finite >= num_needed:
        return "valued"
    return "diverged" if num_diverged > num_seeds - num_needed else "unfinished"


def spread_of(values: Sequence[float]) -> Spread | None:
    """Return mean and standard deviation (ddof 1); None of no values."""
    if not values:
        return None
    mean = math.fsum(values) / len(values)  # of a few values; NumPy would take ten times as long
    if len(values) == 1:
        return Spread(mean, None, 1)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return Spread(mean, math.sqrt(variance), len(values))


def _standing(states: Sequence[State], num_finite: int, protocol: Protocol) -> Standing:
    standing = standing_of(num_finite, states.count("diverged"), protocol.keep, protocol.num_seeds)
    is_stopped = protocol.seeds == "halving" and "spared" in states
    return "stopped" if is_stopped and standing != "diverged" else standing


def _num_kept(runs: Sequence[Observation], num_finite: int, protocol: Protocol) -> int:
    """Return how many of the finite runs a value is made of; 0 where there is none."""
    if num_finite < protocol.keep:
        return 0
    match protocol.seeds:
        case "all":
            return protocol.keep
        case "claims":
            return num_finite
        case "halving":
            return 0 if any(run.state == "spared" for run in runs) else protocol.keep


def _why_no_value(runs: Sequence[Observation], num_finite: int, protocol: Protocol) -> str:
    stopped = next((run.why for run in runs if run.state == "spared" and protocol.seeds == "halving"), None)
    return stopped or f"{num_finite} finite runs of {protocol.num_seeds}, {protocol.keep} needed"


def _rank(run: Observation, rank_by: str) -> tuple[float, int]:
    value = run.metrics[rank_by]
    return (value if lower_is_better(rank_by) else -value, run.seed)


def _why_not_kept(run: Observation, place: int, num_finite: int, protocol: Protocol) -> str:
    if num_finite < protocol.keep:
        return f"finite, but {protocol.keep} finite runs are needed"
    if protocol.seeds == "halving" and place <= protocol.keep:
        return "finite, but its point was stopped"
    return f"ranks {place} of {protocol.num_seeds}: {protocol.rank_by} is {run.metrics[protocol.rank_by]:.6g}"


def _honest(finite: Sequence[Observation], metric: str) -> Spread | None:
    name = metric.partition(".")[0] + ".honest"
    return spread_of([run.metrics[name] for run in finite if math.isfinite(run.metrics.get(name, math.nan))])
