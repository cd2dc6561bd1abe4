"""Claims that are looked at again and again, on made-up runs: how often they are decided, and when.

A run is the mean of its point, plus noise of the seed that all points share, plus noise of its own, both with
a deviation of 1. With `shift` 0 the truth lies on the threshold of the claim: whatever is decided is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sgdlab.analysis.claim_rounds import with_first_seeds
from sgdlab.analysis.decision import decision_of
from sgdlab.analysis.estimators.any_claim import estimate_claim
from sgdlab.analysis.looks import at_level, level_of_look
from sgdlab.analysis.observations import Observation
from sgdlab.analysis.points import GridRuns, arrange
from sgdlab.sweeps.places import places
from sgdlab.sweeps.spec import Sweep

METRIC = "test_accuracy.best"
Rule = Literal["once", "every look", "rounds"]
RULES: tuple[Rule, ...] = ("once", "every look", "rounds")
"""All n seeds at once; 95 % intervals at every look; the intervals of `sgdlab.analysis.looks`."""

_LR, _BATCH = "optimizer.lr", "optimizer.batch_size"
_NUM_RATES = 7
_PEAK = 0.5  # what a step from the top of a parabola costs, in deviations
_SHARP = 10.0


@dataclass(frozen=True)
class Question:
    """A claim about a grid, and the means of its points as a function of the shift."""

    claim: Mapping[str, Any]
    axes: Mapping[str, list[float]]
    mean: Callable[[Mapping[str, Any], float], float]  # (point, shift)


def _last(point: Mapping[str, Any], shift: float) -> float:
    """Be flat, but for the last rate, which is better by the shift."""
    return shift if np.log2(point[_LR]) == _NUM_RATES - 1 else 0.0


def _middle(point: Mapping[str, Any], shift: float) -> float:
    """Be flat, but for the middle rate, which is better by the shift."""
    return shift if np.log2(point[_LR]) == _NUM_RATES // 2 else 0.0


def _parabolas(point: Mapping[str, Any], shift: float) -> float:
    """Peak in the middle; with the larger batch a shift further on."""
    return -_PEAK * (np.log2(point[_LR]) - 3 - shift * (point[_BATCH] == 2)) ** 2


def _order(point: Mapping[str, Any], shift: float) -> float:
    """Peak at the middle rate, by the shift higher from batch to batch; nobody errs in the choice."""
    return -_SHARP * (np.log2(point[_LR]) - 3) ** 2 + shift * np.log2(point[_BATCH])


_RATES = [2.0**k for k in range(_NUM_RATES)]
_ABOVE = {"says": "It is so.", "expect": {"above": 0}}
_OF_BATCH = {"grid": "sgd", "metric": METRIC, "optimum": _LR}

QUESTIONS: dict[str, Question] = {
    "gain, first to last": Question(
        {
            **_ABOVE,
            "kind": "gain",
            "metric": METRIC,
            "start": {"grid": "sgd", "at": "first"},
            "to": {"grid": "sgd", "at": "last"},
        },
        {_LR: _RATES},
        _last,
    ),
    "gain, first to optimum": Question(
        {
            **_ABOVE,
            "kind": "gain",
            "metric": METRIC,
            "start": {"grid": "sgd", "at": "first"},
            "to": {"grid": "sgd", "at": "optimum"},
        },
        {_LR: _RATES},
        _middle,
    ),
    "optimum ratio": Question(
        {
            **_ABOVE,
            "kind": "optimum_ratio",
            "of": {**_OF_BATCH, "where": {_BATCH: 2}},
            "over": {**_OF_BATCH, "where": {_BATCH: 1}},
        },
        {_BATCH: [1, 2], _LR: _RATES},
        _parabolas,
    ),
    "order of three": Question(
        {
            **_ABOVE,
            "kind": "order",
            "grid": "sgd",
            "metric": METRIC,
            "along": _BATCH,
            "tuned": [_LR],
        },
        {_BATCH: [1, 2, 4], _LR: _RATES},
        _order,
    ),
}


@dataclass(frozen=True)
class Outcome:
    """What became of one made-up sweep by one rule."""

    is_decided: bool
    num_seeds: int  # of each point, when it was


def outcomes(question: Question, shift: float, looks: range, num_sweeps: int) -> dict[Rule, list[Outcome]]:
    """Make sweeps up, and follow the claim in each by all rules."""
    sweep = _sweep(question, looks)
    found: dict[Rule, list[Outcome]] = {rule: [] for rule in RULES}
    for number in range(num_sweeps):
        grids = _grids(sweep, question, shift, number)
        for rule, outcome in _follow(sweep, grids).items():
            found[rule].append(outcome)
    return found


def _follow(sweep: Sweep, grids: Mapping[str, GridRuns]) -> dict[Rule, Outcome]:
    (claim,), looks = sweep.claims, sweep.protocol.looks
    estimates = [
        estimate_claim(claim, with_first_seeds(grids, num_seeds), sweep.protocol) for num_seeds in looks
    ]
    levelled = [
        at_level(estimate, level_of_look(look, len(looks))) for look, estimate in enumerate(estimates)
    ]

    def first_decided(every: Iterator[Any]) -> Outcome:
        for num_seeds, estimate in every:
            if decision_of(estimate, claim.expect) != "inconclusive":
                return Outcome(True, num_seeds)
        return Outcome(False, looks[-1])

    return {
        "once": first_decided(iter([(looks[-1], estimates[-1])])),
        "every look": first_decided(zip(looks, estimates, strict=True)),
        "rounds": first_decided(zip(looks, levelled, strict=True)),
    }


def _sweep(question: Question, looks: range) -> Sweep:
    num_seeds = looks[-1]
    return Sweep.model_validate(
        {
            "name": "simulated",
            "paper": "none",
            "figure": "none",
            "title": "Simulated",
            "scale": "laptop",
            "protocol": {
                "num_seeds": num_seeds,
                "keep": looks[0],
                "seeds": "claims",
                "step": looks.step,
            },
            "panels": {
                "main": {"title": "", "grids": {"sgd": {"label": "SGD", "axes": dict(question.axes)}}}
            },
            "drawing": {
                "kind": "optima",
                "x": next(iter(question.axes)),
                "x_label": "x",
                "y_label": "y",
                "tuned": [_LR],
                "curves": [{"grid": "sgd", "metric": METRIC}],
            }
            if _BATCH in question.axes
            else {
                "x": _LR,
                "x_label": "x",
                "y_label": "y",
                "curves": [{"grid": "sgd", "metric": METRIC}],
            },
            "claims": [dict(question.claim)],
        }
    )


def _grids(sweep: Sweep, question: Question, shift: float, number: int) -> dict[str, GridRuns]:
    generator = np.random.default_rng([20210128, number])
    of_seed = generator.normal(size=sweep.protocol.num_seeds)
    runs = [
        Observation(
            place.panel,
            place.grid,
            place.point,
            place.seed,
            f"{index}",
            "done",
            {METRIC: question.mean(place.point, shift) + of_seed[place.seed] + generator.normal()},
        )
        for index, place in enumerate(places(sweep))
    ]
    return {grid: own for (_, grid), own in arrange(sweep, runs).items()}
