"""The work that training is timed on: shapes, runs, and random examples in those shapes.

Speed doesn't depend on what is learned, so examples are drawn and no file is needed. A pack is a grid of
learning rates × seeds, as in the sweeps: runs of one seed share their minibatches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from sgdlab.config.datasets import Data
from sgdlab.config.schema import Run
from sgdlab.data.dataset import Dataset

NUM_TRAIN, NUM_TEST = 4000, 1000
SWEEP_UPDATES = 25_000  # of a run of sweeps/laptop100.yaml
CADENCE_EPOCHS = 4  # the shipped sweeps evaluate every four
_RUNS_PER_SEED = 9
_LEARNING_RATE, _STRENGTH = 2.0**-6, 0.125


@dataclass(frozen=True)
class Work:
    """K runs of one network, one batch size, with the penalty or without."""

    title: str
    data: str
    model: dict[str, Any] = field(hash=False)
    batch_size: int
    num_runs: int
    is_penalised: bool = False
    num_train: int = NUM_TRAIN
    num_test: int = NUM_TEST
    precision: str = "float32"
    num_sweep_updates: int = SWEEP_UPDATES  # of such runs in a sweep: what setting up is spread over

    @property
    def strength(self) -> float:
        """λ of C + (λ/4)‖∇C‖²."""
        return _STRENGTH if self.is_penalised else 0.0

    def tiny(self) -> Work:
        """Return three such runs on a training set of one batch: their updates don't depend on any order."""
        return replace(self, num_runs=3, num_train=self.batch_size, num_test=1)

    def runs(self, num_updates: int, evaluate_every: int | None = None, lr: float | None = None) -> list[Run]:
        """Return the pack; evaluated at its end alone unless told otherwise."""
        return [
            Run.model_validate(
                {
                    "seed": slot // _RUNS_PER_SEED,
                    "precision": self.precision,
                    "data": {"kind": self.data, "num_train": self.num_train, "num_test": self.num_test},
                    "model": self.model,
                    "loss": {"kind": "cross_entropy", "l2": 0.0},
                    "regularizer": self._regularizer(),
                    "optimizer": {"lr": rate if lr is None else lr, "batch_size": self.batch_size},
                    "schedule": {"kind": "constant"},
                    "budget": {"kind": "updates", "num_updates": num_updates},
                    "evaluation": {"kind": "updates", "every_num_updates": evaluate_every or num_updates},
                }
            )
            for slot, rate in enumerate(self.rates())
        ]

    def rates(self) -> list[float]:
        """Return a learning rate a run, all small enough that nothing diverges."""
        return [_LEARNING_RATE * 2.0 ** -(slot % _RUNS_PER_SEED) for slot in range(self.num_runs)]

    def dataset(self) -> Dataset:
        """Draw examples: normal signals, or uniform pixels."""
        config: Data = self.runs(1)[0].data
        generator = torch.Generator().manual_seed(0)

        def inputs(count: int) -> torch.Tensor:
            shape = (count, *config.sample_shape)
            if len(config.sample_shape) == 1:
                return torch.randn(shape, generator=generator)
            return torch.randint(256, shape, generator=generator, dtype=torch.uint8)

        def labels(count: int) -> torch.Tensor:
            return torch.randint(config.num_classes, (count,), generator=generator)

        count = (self.num_train, self.num_test)
        return Dataset(inputs(count[0]), labels(count[0]), inputs(count[1]), labels(count[1]), "drawn")

    def minibatches(self, num_updates: int) -> torch.Tensor:
        """Return shuffled epochs for peers: indices ``(updates, K, B)``."""
        generator = torch.Generator().manual_seed(1)
        per_epoch = self.num_train // self.batch_size
        num_epochs = math.ceil(num_updates / per_epoch)
        runs = [
            torch.cat([torch.randperm(self.num_train, generator=generator) for _ in range(num_epochs)])
            for _ in range(self.num_runs)
        ]
        whole = torch.stack(runs)[:, : num_updates * self.batch_size]
        return whole.view(self.num_runs, num_updates, self.batch_size).transpose(0, 1).contiguous()

    def _regularizer(self) -> dict[str, Any]:
        return {"kind": "gradient_norm", "strength": _STRENGTH} if self.is_penalised else {"kind": "none"}


def mlp_widths(work: Work) -> tuple[int, ...]:
    """Return the widths of an MLP's layers, the input's and the classes' included."""
    data = work.runs(1)[0].data
    return (math.prod(data.sample_shape), *work.model["hidden_widths"], data.num_classes)
