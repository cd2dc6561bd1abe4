"""Successive halving over seeds, on curves whose optimum is known; nothing is trained."""

from __future__ import annotations

from dataclasses import dataclass

from extension.simulated import BATCH_SIZES, METRIC, Case, make_sweep, observe
from sgdlab.analysis.observations import Observation
from sgdlab.analysis.optimum import find_optimum
from sgdlab.analysis.points import arrange
from sgdlab.analysis.protocol import PointSummary, summarize_curve
from sgdlab.analysis.seed_rounds import spare
from sgdlab.analysis.tuning_problems import tuning_problems
from sgdlab.sweeps.spec import Protocol, Sweep

EXPONENTS = range(-8, 5)  # log2 ε: four steps and more on both sides of every optimum


@dataclass(frozen=True)
class Halved:
    """One curve, with every seed and with halving."""

    share_of_runs: float  # that halving trained
    has_true_best: bool  # a point with the best true mean was never stopped
    is_same_optimum: bool  # as with every seed
    share_of_bar: float  # of the points of the error bar with every seed, those never stopped
    loss: float  # of the true mean at the optimum that was found, below that of the best point


def halve_curves(case: Case, num_seeds: int, keep: int) -> list[Halved]:
    """Halve the curves of a case: one for each batch size."""
    sweep = make_sweep(EXPONENTS)
    protocol = Protocol(num_seeds=num_seeds, keep=keep, seeds="halving")
    in_rounds = sweep.model_copy(update={"protocol": protocol})
    everything = sweep.model_copy(update={"protocol": Protocol(num_seeds=num_seeds, keep=keep)})
    runs = observe(everything, case)
    spared = spare(in_rounds, runs)
    return [
        _compare(case, whole, halved)
        for whole, halved in zip(_curves(everything, runs), _curves(in_rounds, spared), strict=True)
    ]


def _curves(sweep: Sweep, runs: list[Observation]) -> list[list[PointSummary]]:
    problems = tuning_problems(sweep, arrange(sweep, runs))
    assert len(problems) == len(BATCH_SIZES)
    return [summarize_curve(one.grid_runs, sweep.protocol, METRIC) for one in problems]


def _compare(case: Case, whole: list[PointSummary], halved: list[PointSummary]) -> Halved:
    best, found = find_optimum(whole), find_optimum(halved)
    assert best is not None
    assert found is not None
    means = [case.mean(summary.point) for summary in whole]
    highest = max(mean for mean in means if mean is not None)
    going_on = [summary.point for summary in halved if summary.standing == "valued"]
    of_found = case.mean(found.best[0].point)
    assert of_found is not None
    return Halved(
        share_of_runs=sum(one.num_asked for one in halved) / sum(one.num_asked for one in whole),
        has_true_best=any(
            summary.point in going_on
            for summary, mean in zip(whole, means, strict=True)
            if mean is not None and mean > highest - 1e-12
        ),
        is_same_optimum=[one.point for one in best.best] == [one.point for one in found.best],
        share_of_bar=sum(one.point in going_on for one in best.bar) / len(best.bar),
        loss=highest - of_found,
    )
