"""All measurements of one go, and how much of them there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch

from differences.cost import Step, time_ratios
from differences.product_error import ESTIMATORS, Band, direction_errors, draw_points, relative_errors
from differences.setting import ACTIVATIONS, VARIED, Activation, Setting, variants
from differences.training_effect import STRENGTH, TrainingEffect, training_effect
from sgdlab.data.dataset import Dataset

State = Literal["fresh", "trained"]
TOLERABLE = 0.1  # above this sgdlab calls an error one
DEFAULT_RADIUS = 1e-3
PRECISIONS = {"float32": torch.float32, "float64": torch.float64}
TRAINED_SETTINGS = (Setting("relu"), Setting("tanh"))


@dataclass(frozen=True)
class Budget:
    """How much is measured."""

    num_draws: int = 100
    num_updates_before: int = 500  # of the trained networks: about 8 epochs
    radii: tuple[float, ...] = tuple(10.0 ** np.arange(-6, 0.25, 0.5))
    training_radii: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
    num_seeds: int = 8
    num_updates: int = 3200  # 50 epochs
    num_rounds: int = 5
    timed: tuple[tuple[Setting, int], ...] = ((Setting(), 960), (Setting(width=128, batch_size=32), 192))
    """Settings whose steps are timed, and over how many updates."""


QUICK = Budget(
    num_draws=4,
    num_updates_before=32,
    radii=(1e-5, 1e-4, 1e-3, 1e-2),
    training_radii=(1e-3, 1e-1),
    num_seeds=2,
    num_updates=64,
    num_rounds=1,
    timed=((Setting(), 32),),
)


@dataclass(frozen=True)
class Errors:
    """Relative errors of H·g over many draws."""

    band: Band
    share_above: np.ndarray  # of draws with an error above `TOLERABLE`

    @classmethod
    def of(cls, errors: np.ndarray) -> Errors:
        """Reduce the last axis, that of the draws."""
        return cls(Band.of(errors), (errors > TOLERABLE).mean(axis=-1))


@dataclass(frozen=True)
class Directions:
    """The update direction at λ = `STRENGTH` against the exact one, in float32."""

    angle: Band  # degrees
    norm_ratio: Band


@dataclass(frozen=True)
class Study:
    """Everything that the page and its pictures show; each array has an entry a radius or a varied value."""

    budget: Budget
    by_radius: dict[tuple[str, Activation, State, str], Errors] = field(default_factory=dict)
    """(precision, activation, state, estimator) → errors, one a radius."""
    by_shape: dict[tuple[str, Activation, State], Errors] = field(default_factory=dict)
    """(varied field, activation, state) → errors of forward differences at the default radius, float32."""
    directions: dict[tuple[Activation, State, str], Directions] = field(default_factory=dict)
    """(activation, state, estimator) → directions, one a radius."""
    training: list[TrainingEffect] = field(default_factory=list)
    cost: dict[Setting, dict[Step, float]] = field(default_factory=dict)


def conduct(budget: Budget, dataset: Dataset, say: Callable[[str], None]) -> Study:
    """Measure everything; `say` is told what is being measured."""
    study = Study(budget)
    num_updates_before: dict[State, int] = {"fresh": 0, "trained": budget.num_updates_before}
    for activation in ACTIVATIONS:
        for state, num_updates in num_updates_before.items():
            say(f"error of H·g: {activation}, {state}")
            _measure_by_radius(study, dataset, activation, state, num_updates)
            for name in VARIED:
                _measure_by_shape(study, dataset, name, activation, state, num_updates)
    for setting in TRAINED_SETTINGS:
        say(f"training: {setting.activation}")
        effect = training_effect(
            setting,
            dataset,
            budget.training_radii,
            num_seeds=budget.num_seeds,
            num_updates=budget.num_updates,
        )
        study.training.append(effect)
    for setting, num_updates in budget.timed:
        say(f"cost: width {setting.width}, batch {setting.batch_size}")
        study.cost[setting] = time_ratios(
            setting, dataset, num_updates=num_updates, num_rounds=budget.num_rounds
        )
    return study


def _measure_by_radius(
    study: Study, dataset: Dataset, activation: Activation, state: State, num_updates: int
) -> None:
    budget = study.budget
    for precision, dtype in PRECISIONS.items():
        points = draw_points(
            Setting(activation), dataset, num_draws=budget.num_draws, num_updates=num_updates, dtype=dtype
        )
        for name, estimator in ESTIMATORS.items():
            errors = Errors.of(relative_errors(points, estimator, budget.radii))
            study.by_radius[precision, activation, state, name] = errors
            if precision == "float32":
                found = direction_errors(points, estimator, budget.radii, STRENGTH)
                directions = Directions(Band.of(found.angle), Band.of(found.norm_ratio))
                study.directions[activation, state, name] = directions


def _measure_by_shape(
    study: Study, dataset: Dataset, name: str, activation: Activation, state: State, num_updates: int
) -> None:
    rows = []
    for setting in variants(activation, name):
        points = draw_points(
            setting,
            dataset,
            num_draws=study.budget.num_draws,
            num_updates=num_updates,
            dtype=torch.float32,
        )
        rows.append(relative_errors(points, ESTIMATORS["forward"], [DEFAULT_RADIUS])[0])
    study.by_shape[name, activation, state] = Errors.of(np.stack(rows))
