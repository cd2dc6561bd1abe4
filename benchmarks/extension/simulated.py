"""Curves with a known optimum, and the extension of too narrow grids over them; nothing is trained.

A curve gives the accuracy at d, the distance of log2 ε from where it is best, or None where a run diverges.
Runs of one point differ by normal noise that depends on nothing but the case, the point and the seed: a wide
grid and a narrow one that is extended see the same runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from sgdlab.analysis.extension import Assessment, added_points, assess
from sgdlab.analysis.observations import Observation
from sgdlab.analysis.optimum import find_optimum
from sgdlab.analysis.points import Point, arrange
from sgdlab.analysis.protocol import summarize_curve
from sgdlab.analysis.tuning_problems import tuning_problems
from sgdlab.sweeps.extension import AddedPoint, extend_sweep
from sgdlab.sweeps.places import places
from sgdlab.sweeps.spec import Sweep

METRIC = "test_accuracy.best"
BATCH_SIZES = (16, 64, 256)  # the best ε is proportional to B
NUM_SEEDS, KEEP = 7, 5
WIDE = range(-12, 9)  # log2 ε of the grid that holds every optimum
_CENTRE = -2  # log2 of the best ε at the middle batch size

Shape = Callable[[float], float | None]


def parabola(d: float) -> float | None:
    return 0.9 - 0.008 * d * d


def tent(d: float) -> float | None:
    return 0.9 - 0.03 * abs(d)


def cliff(d: float) -> float | None:
    """Rises up to two steps before runs diverge."""
    return None if d > 1.5 else 0.9 - 0.03 * abs(d)


def plateau(d: float) -> float | None:
    """Is flat over three steps."""
    return 0.9 - 0.03 * max(0.0, abs(d) - 1)


def late_rise(d: float) -> float | None:
    """Rises slowly for a long time, then falls fast and diverges."""
    if d > 3.5:
        return None
    return 0.9 - 0.2 * (1 - math.exp(d / 6)) if d < 0 else 0.9 - 0.05 * d


def two_peaks(d: float) -> float | None:
    """Has a lower peak five steps below the optimum: no local search that starts there can know better."""
    return 0.9 - min(0.03 * abs(d), 0.05 + 0.03 * abs(d + 5))


SHAPES: dict[str, Shape] = {
    "parabola": parabola,
    "tent": tent,
    "cliff": cliff,
    "plateau": plateau,
    "late rise": late_rise,
    "two peaks": two_peaks,
}


@dataclass(frozen=True)
class Case:
    """One simulated sweep: a curve for each batch size."""

    shape: Shape
    noise: float  # standard deviation between seeds
    number: int  # tells noise from noise

    def value(self, point: Point, seed: int) -> float | None:
        """Return the accuracy of a run; None where it diverges."""
        batch_size, exponent = self._place(point)
        mean = self.mean(point)
        generator = np.random.default_rng([self.number, batch_size, exponent + 1000, seed])
        return None if mean is None else mean + self.noise * generator.normal()

    def mean(self, point: Point) -> float | None:
        """Return the accuracy without noise."""
        batch_size, exponent = self._place(point)
        return self.shape(exponent - _CENTRE - math.log2(batch_size / BATCH_SIZES[1]))

    def true_best(self, batch_size: int) -> list[int]:
        """Return log2 ε of the best points of a curve, of the wide grid; several on a plateau."""
        points = ({"optimizer.batch_size": batch_size, "optimizer.lr": 2.0**exponent} for exponent in WIDE)
        means = {exponent: self.mean(point) for exponent, point in zip(WIDE, points, strict=True)}
        highest = max(mean for mean in means.values() if mean is not None)
        return [exponent for exponent, mean in means.items() if mean is not None and mean > highest - 1e-9]

    def _place(self, point: Point) -> tuple[int, int]:
        return point["optimizer.batch_size"], round(math.log2(point["optimizer.lr"]))


@dataclass(frozen=True)
class Followed:
    """What became of a sweep after its extension."""

    sweep: Sweep
    assessments: tuple[Assessment, ...]
    num_runs: int
    num_rounds: int

    def num_right(self, case: Case) -> int:
        """Count the curves whose optimum is at most one step from the true one."""
        return sum(
            _is_right(case, one.problem.at, one.optimum.best[0].point["optimizer.lr"])
            for one in self.assessments
            if one.optimum is not None
        )


def make_sweep(exponents: Iterable[int], rounds: int = 30, points: int = 1) -> Sweep:
    """Return a sweep over batch sizes and these learning rates."""
    axes = {"optimizer.batch_size": list(BATCH_SIZES), "optimizer.lr": [2.0**e for e in exponents]}
    return Sweep.model_validate(
        {
            "name": "simulated",
            "paper": "none",
            "figure": "none",
            "title": "Simulated",
            "scale": "laptop",
            "protocol": {"num_seeds": NUM_SEEDS, "keep": KEEP},
            "panels": {"main": {"title": "", "grids": {"sgd": {"label": "SGD", "axes": axes}}}},
            "drawing": {
                "kind": "optima",
                "x": "optimizer.batch_size",
                "x_label": "B",
                "y_label": "accuracy",
                "tuned": ["optimizer.lr"],
                "curves": [{"grid": "sgd", "metric": METRIC}],
            },
            "extend": {"rounds": rounds, "points": points},
        }
    )


def follow(sweep: Sweep, case: Case) -> Followed:
    """Extend a sweep round by round, until nothing is proposed any more."""
    added: list[AddedPoint] = []
    while True:
        extended = extend_sweep(sweep, added)
        observations = observe(extended.sweep, case)
        problems = tuning_problems(extended.sweep, arrange(extended.sweep, observations))
        assessments = tuple(
            assess(problem, sweep.protocol, sweep.extend, extended.round_of, lambda *_: None)
            for problem in problems
        )
        next_round = [
            point
            for one in assessments
            for point in added_points(one.problem, one.additions, extended.round_of)
        ]
        if not next_round:
            num_rounds = max((point.round for point in added), default=0)
            return Followed(extended.sweep, assessments, len(observations), num_rounds)
        added += next_round


def observe(sweep: Sweep, case: Case) -> list[Observation]:
    """Return the runs of a sweep."""
    runs = []
    for place in places(sweep):
        value = case.value(place.point, place.seed)
        key = f"{place.point}-{place.seed}"
        state, metrics = ("diverged", {}) if value is None else ("done", {METRIC: value})
        runs.append(Observation(place.panel, place.grid, place.point, place.seed, key, state, metrics))
    return runs


def num_right_on_wide_grid(case: Case) -> int:
    """Count the curves of which the wide grid finds the optimum, to one step."""
    sweep = make_sweep(WIDE)
    problems = tuning_problems(sweep, arrange(sweep, observe(sweep, case)))
    optima = [find_optimum(summarize_curve(one.grid_runs, sweep.protocol, METRIC)) for one in problems]
    return sum(
        _is_right(case, problem.at, optimum.best[0].point["optimizer.lr"])
        for problem, optimum in zip(problems, optima, strict=True)
        if optimum is not None
    )


def _is_right(case: Case, at: Point, best: float) -> bool:
    true = case.true_best(at["optimizer.batch_size"])
    return min(abs(round(math.log2(best)) - exponent) for exponent in true) <= 1
