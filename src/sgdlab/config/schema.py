"""One run, validated: the only place that joins the components and checks them against each other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, Self, get_type_hints

from pydantic import TypeAdapter, model_validator

from sgdlab.config.components import (
    Budget,
    CnnModel,
    EpochBudget,
    EpochEvaluation,
    Evaluation,
    GradientNormRegularizer,
    Loss,
    MlpModel,
    Model,
    Regularizer,
    Schedule,
    SgdOptimizer,
    WideResNetModel,
)
from sgdlab.config.datasets import Data, ImageNetData, PtbData
from sgdlab.config.fields import Component, NonNegativeInt
from sgdlab.config.landscape import Landscape, MeasuredLandscape, NoLandscape


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

    def _updates_of(self, num_epochs: float) -> int:
        num_minibatches = math.floor(num_epochs * self.data.num_train / self.optimizer.batch_size + 1e-9)
        return num_minibatches * self.optimizer.inner_steps

    @model_validator(mode="after")
    def _check_across_components(self) -> Self:
        optimizer, data = self.optimizer, self.data
        if optimizer.batch_size > data.num_train:
            raise ValueError(
                f"optimizer.batch_size={optimizer.batch_size} is larger than data.num_train={data.num_train}"
            )
        if self.num_updates < 1:
            raise ValueError("budget: less than one update; raise budget.num_epochs or use budget=updates")
        ordered = optimizer.order in ("fixed", "forward_reverse")
        if ordered and optimizer.remainder == "carry" and data.num_train % optimizer.batch_size:
            raise ValueError(
                f"optimizer.order={optimizer.order} visits the same batches each epoch, so "
                f"optimizer.remainder=carry needs data.num_train={data.num_train} to be a multiple of "
                f"optimizer.batch_size={optimizer.batch_size}; use optimizer.remainder=drop"
            )
        landscape = self.landscape
        if isinstance(landscape, MeasuredLandscape) and (landscape.num_examples or 0) > data.num_train:
            raise ValueError(
                f"landscape.num_examples={landscape.num_examples} is more than "
                f"data.num_train={data.num_train}"
            )
        is_image = len(data.sample_shape) == 3
        if not is_image and not isinstance(data, PtbData) and data.flip:
            raise ValueError(f"data.flip mirrors images, and {data.kind} has none")
        if isinstance(self.model, MlpModel) and isinstance(data, PtbData):
            raise ValueError(f"model=mlp needs images or signals, and data={data.kind} has neither")
        if isinstance(data, ImageNetData) and not isinstance(landscape, NoLandscape):
            raise ValueError(
                f"landscape={landscape.kind} goes through the examples again and again, and those of "
                f"data={data.kind} are not held in memory; use landscape=none"
            )
        if isinstance(self.model, WideResNetModel | CnnModel) and not is_image:
            raise ValueError(f"model={self.model.kind} needs images, and data={data.kind} has none")
        if isinstance(self.model, CnnModel) and min(data.sample_shape[1:]) < 2 ** len(self.model.channels):
            raise ValueError(
                f"model.channels has {len(self.model.channels)} stages, each of which halves an image, "
                f"and those of {data.kind} are only {data.sample_shape[1]}×{data.sample_shape[2]}"
            )
        if isinstance(self.model, WideResNetModel) and (self.model.depth - 4) % 6:
            raise ValueError(f"model.depth={self.model.depth} must be 6k+4: 10, 16, 22, 28, …")
        return self


@cache
def _adapters() -> Mapping[str, TypeAdapter[Any]]:
    hints = get_type_hints(Run, include_extras=True)
    return {name: TypeAdapter(hints[name]) for name in Run.model_fields if name not in ("seed", "precision")}
