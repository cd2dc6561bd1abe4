"""One run, validated: the only place that joins the components and checks them against each other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, Self, get_type_hints

from pydantic import TypeAdapter, model_validator

from sgdlab.config.coherence import check_across_components
from sgdlab.config.components import (
    Budget,
    EpochBudget,
    EpochEvaluation,
    Evaluation,
    GradientNormRegularizer,
    Loss,
    Regularizer,
    Schedule,
    SgdOptimizer,
)
from sgdlab.config.datasets import Data
from sgdlab.config.fields import Component, NonNegativeInt
from sgdlab.config.landscape import Landscape, NoLandscape
from sgdlab.config.models import Model


def validate_component(name: str, values: Any) -> Any:
    """Validate one component of a run by itself: ``validate_component("data", {"kind": "digits"})``.

    Where many runs share components, this and `Run.model_validate` of the validated ones is several times as
    fast as validating each run whole. What is no component (seed, precision) is returned as it is.

    Raises
    ------
    pydantic.ValidationError
        If a key or value isn't allowed.
    """
    adapter = _adapters().get(name)
    return values if adapter is None else adapter.validate_python(values)


class Run(Component):
    """What a run is: every field can change its result."""

    seed: NonNegativeInt = 0
    precision: Literal["float32", "float64"] = "float32"
    data: Data
    model: Model
    loss: Loss
    regularizer: Regularizer
    optimizer: SgdOptimizer
    schedule: Schedule
    budget: Budget
    evaluation: Evaluation
    landscape: Landscape = NoLandscape()

    @property
    def num_updates(self) -> int:
        """Parameter updates of the whole run."""
        if isinstance(self.budget, EpochBudget):
            return self._updates_of(self.budget.num_epochs)
        return self.budget.num_updates

    @property
    def evaluate_every_num_updates(self) -> int:
        """Distance of the evaluation grid in parameter updates; the last update is always on it."""
        if isinstance(self.evaluation, EpochEvaluation):
            return min(max(1, self._updates_of(self.evaluation.every_num_epochs)), self.num_updates)
        return min(self.evaluation.every_num_updates, self.num_updates)

    @property
    def differences_kinks(self) -> bool:
        """Whether its penalty is taken by finite differences of a gradient that jumps."""
        regularizer = self.regularizer
        is_difference = isinstance(regularizer, GradientNormRegularizer) and regularizer.estimator != "exact"
        return is_difference and self.model.has_kinks

    @property
    def updates_per_epoch(self) -> float:
        """Parameter updates of one epoch."""
        return self._examples_per_epoch / self.optimizer.batch_size * self.optimizer.inner_steps

    @property
    def _examples_per_epoch(self) -> int:
        """All of them; of a sequential order those of whole minibatches, for it always begins anew."""
        num_train = self.data.num_train
        is_sequential = self.optimizer.order == "sequential"
        return num_train - num_train % self.optimizer.batch_size if is_sequential else num_train

    def _updates_of(self, num_epochs: float) -> int:
        num_minibatches = math.floor(num_epochs * self._examples_per_epoch / self.optimizer.batch_size + 1e-9)
        return num_minibatches * self.optimizer.inner_steps

    @model_validator(mode="after")
    def _check_across_components(self) -> Self:
        check_across_components(
            self.data, self.model, self.loss, self.regularizer, self.optimizer, self.landscape
        )
        if self.num_updates < 1:
            raise ValueError("budget: less than one update; raise budget.num_epochs or use budget=updates")
        return self


@cache
def _adapters() -> Mapping[str, TypeAdapter[Any]]:
    hints = get_type_hints(Run, include_extras=True)
    return {name: TypeAdapter(hints[name]) for name in Run.model_fields if name not in ("seed", "precision")}
