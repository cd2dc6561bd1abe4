"""What is measured: small networks on the digits, a reference and one thing varied at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from sgdlab.config.components import (
    ConstantSchedule,
    CrossEntropyLoss,
    NoRegularizer,
    Regularizer,
    SgdOptimizer,
    UpdateBudget,
    UpdateEvaluation,
)
from sgdlab.config.datasets import DigitsData
from sgdlab.config.models import MlpModel
from sgdlab.config.schema import Run
from sgdlab.data.dataset import Dataset
from sgdlab.training.backends.trial import choose_backend
from sgdlab.training.conductor import PackTask, Progress, TrainedRun
from sgdlab.training.fit import train_pack
from sgdlab.training.members import Member

Activation = Literal["relu", "tanh", "gelu"]
ACTIVATIONS: tuple[Activation, ...] = ("relu", "tanh", "gelu")
DATA = DigitsData(num_train=512)


@dataclass(frozen=True)
class Setting:
    """A network and a batch size; as it stands, those of figure 1b's laptop scale."""

    activation: Activation = "relu"
    width: int = 32
    depth: int = 3  # hidden layers
    batch_size: int = 8

    @property
    def model(self) -> MlpModel:
        """The network."""
        return MlpModel(hidden_widths=(self.width,) * self.depth, activation=self.activation)

    def run(
        self,
        seed: int,
        num_updates: int,
        *,
        lr: float,
        regularizer: Regularizer | None = None,
        l2: float = 0.0,
        num_evaluations: int = 1,
    ) -> Run:
        """Return a run of this setting, in float32."""
        return Run(
            seed=seed,
            data=DATA,
            model=self.model,
            loss=CrossEntropyLoss(l2=l2),
            regularizer=regularizer or NoRegularizer(),
            optimizer=SgdOptimizer(lr=lr, batch_size=self.batch_size),
            schedule=ConstantSchedule(),
            budget=UpdateBudget(num_updates=num_updates),
            evaluation=UpdateEvaluation(every_num_updates=num_updates // num_evaluations),
        )


REFERENCE = Setting()
VARIED: dict[str, tuple[int, ...]] = {
    "width": (8, 16, 32, 64, 128),
    "depth": (1, 2, 3, 5),
    "batch_size": (2, 8, 32, 128),
}


def variants(activation: Activation, name: str) -> list[Setting]:
    """Return the reference with each value of one field: "width", "depth" or "batch_size"."""
    return [replace(REFERENCE, activation=activation, **{name: value}) for value in VARIED[name]]


def train(
    runs: Sequence[Run], dataset: Dataset, on_progress: Callable[[Progress], None] = lambda _: None
) -> list[TrainedRun]:
    """Train a pack of runs of one shape to their end, without a store; return them in their order."""
    device = torch.device("cpu")
    task = PackTask(
        width=len(runs),
        backend=choose_backend(runs, device, runs[0].num_updates),
        statistics="none",
        device=device,
        new_checkpoint=_no_checkpoint,
        checkpoint_every_s=float("inf"),
    )
    members = [Member(str(slot), run) for slot, run in enumerate(runs)]
    trained: list[TrainedRun] = []
    train_pack(task, members, dataset, trained.append, on_progress=on_progress)
    return sorted(trained, key=lambda run: int(run.key))


def _no_checkpoint(_progress: Mapping[str, int]) -> AbstractContextManager[Path]:
    raise AssertionError("no checkpoint is due: nothing stops these runs")
