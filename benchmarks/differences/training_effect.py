"""What the estimator does to training: test accuracy, divergence, and the error that training reports."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from differences.setting import Setting, train
from sgdlab.config.components import GradientNormRegularizer, NoRegularizer, Regularizer
from sgdlab.data.dataset import Dataset

STRENGTH = 2**-1  # λ: near the best of figure 1b at laptop scale
_LR, _L2 = 2**-6, 0.02
_NUM_EVALUATIONS = 16


@dataclass(frozen=True)
class Outcome:
    """Runs that differ in their seed alone; accuracy and error are those of the runs that didn't diverge."""

    regularizer: Regularizer
    test_accuracy: np.ndarray  # (finished,) at the end
    worst_error: np.ndarray  # (finished,) of H·g over training, as results show it; none without differences
    num_diverged: int

    @property
    def mean(self) -> float:
        """The mean test accuracy; nan where every run diverged."""
        return float(self.test_accuracy.mean()) if len(self.test_accuracy) else math.nan

    @property
    def standard_error(self) -> float:
        """The standard error of the mean; nan with fewer than two runs."""
        num_runs = len(self.test_accuracy)
        return float(self.test_accuracy.std(ddof=1) / math.sqrt(num_runs)) if num_runs > 1 else math.nan


@dataclass(frozen=True)
class TrainingEffect:
    """One setting trained with every estimator; same seeds, same initialisation, same minibatches."""

    setting: Setting
    plain: Outcome
    exact: Outcome
    forward: tuple[Outcome, ...]  # one a radius
    central: tuple[Outcome, ...]  # one a radius


def training_effect(
    setting: Setting, dataset: Dataset, radii: Sequence[float], *, num_seeds: int, num_updates: int
) -> TrainingEffect:
    """Train with each estimator at one λ; all radii of one estimator are one pack."""

    def outcomes(*regularizers: Regularizer) -> tuple[Outcome, ...]:
        return _train(setting, dataset, regularizers, num_seeds, num_updates)

    (plain,) = outcomes(NoRegularizer())
    (exact,) = outcomes(GradientNormRegularizer(strength=STRENGTH))
    forward, central = (
        outcomes(
            *(
                GradientNormRegularizer(strength=STRENGTH, estimator=estimator, difference_radius=radius)
                for radius in radii
            )
        )
        for estimator in ("forward_difference", "central_difference")
    )
    return TrainingEffect(setting, plain, exact, forward, central)


def _train(
    setting: Setting,
    dataset: Dataset,
    regularizers: Sequence[Regularizer],
    num_seeds: int,
    num_updates: int,
) -> tuple[Outcome, ...]:
    runs = [
        setting.run(
            seed, num_updates, lr=_LR, regularizer=regularizer, l2=_L2, num_evaluations=_NUM_EVALUATIONS
        )
        for regularizer in regularizers
        for seed in range(num_seeds)
    ]
    trained = [run for run in train(runs, dataset).runs if run is not None]
    outcomes = []
    for i, regularizer in enumerate(regularizers):
        members = trained[i * num_seeds : (i + 1) * num_seeds]
        finished = [member.summary for member in members if member.state == "done"]
        accuracies, errors = (
            np.array([summary[name] for summary in finished if name in summary])
            for name in ("test_accuracy.final", "penalty_relative_error.worst")
        )
        outcomes.append(Outcome(regularizer, accuracies, errors, num_seeds - len(finished)))
    return tuple(outcomes)
