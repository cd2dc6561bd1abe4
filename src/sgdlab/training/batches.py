"""From update numbers to minibatches on the device, for all runs of a pack.

Runs with one seed see the same batches in the same augmentation, so each seed's indices and draws are made
once. Augmentation draws come in blocks with streams of their own, like the orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sgdlab.config.schema import Run
from sgdlab.data.pipeline import Pipeline
from sgdlab.training.objective import Minibatches
from sgdlab.training.orders import MinibatchOrder
from sgdlab.training.streams import stream

_MINIBATCHES_PER_DRAW = 64


@dataclass(frozen=True)
class UpdateBatches:
    """The minibatches of U consecutive updates: indices and draws, on the device."""

    indices: Tensor  # (U, R, B) int64
    draws: Tensor | None  # (U, R, B, D)
    pipeline: Pipeline

    def __len__(self) -> int:
        return len(self.indices)

    def batch(self, position: int) -> Minibatches:
        """Gather (and augment) the minibatch of every run at one of the updates."""
        draws = None if self.draws is None else self.draws[position]
        return Minibatches(*self.pipeline.train_batch(self.indices[position], draws))

    def of_run(self, slot: int) -> UpdateBatches:
        """Return the minibatches of one run, as of a pack of one."""
        one = slice(slot, slot + 1)
        return UpdateBatches(
            self.indices[:, one], None if self.draws is None else self.draws[:, one], self.pipeline
        )

    def table(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return examples ``(M, features)``, labels ``(M,)`` and the rows of each batch ``(U, R, B)``.

        Without augmentation the table is the training set itself; with it, every batch has rows of its own.
        """
        if self.draws is None:
            return self.pipeline.train_inputs.flatten(1), self.pipeline.train_labels, self.indices
        batches = [self.batch(position) for position in range(len(self))]
        inputs = torch.stack([batch.inputs for batch in batches]).flatten(3).flatten(0, 2)
        labels = torch.stack([batch.labels for batch in batches]).flatten()
        return inputs, labels, torch.arange(len(labels)).view(self.indices.shape)


class BatchSource:
    """The minibatches of all runs of a pack."""

    def __init__(self, runs: Sequence[Run], pipeline: Pipeline) -> None:
        seeds = sorted({run.seed for run in runs})
        num_examples, optimizer = runs[0].data.num_train, runs[0].optimizer
        self._pipeline = pipeline
        self._inner_steps = optimizer.inner_steps
        self._seed_of_run = torch.tensor([seeds.index(run.seed) for run in runs])
        self._orders = [MinibatchOrder(seed, num_examples, optimizer) for seed in seeds]
        shape = (optimizer.batch_size, pipeline.num_draws)
        self._augmentations = [_Draws(seed, shape) for seed in seeds] if pipeline.num_draws else []

    def prepare(self, first: int, stop: int) -> UpdateBatches:
        """Draw the minibatches of updates first … stop−1; n-step SGD makes `inner_steps` updates on each."""
        device = self._pipeline.train_labels.device
        of_update = torch.arange(first, stop) // self._inner_steps
        start, end = int(of_update[0]), int(of_update[-1]) + 1
        position = of_update - start
        orders = torch.stack([order.minibatches(start, end - start) for order in self._orders], dim=1)
        draws = None
        if self._augmentations:
            of_seed = torch.stack([a.minibatches(start, end) for a in self._augmentations], dim=1)
            draws = of_seed[position][:, self._seed_of_run].to(device)
        return UpdateBatches(orders[position][:, self._seed_of_run].to(device), draws, self._pipeline)


@dataclass
class _Draws:
    """Uniform draws of one seed's augmentation."""

    seed: int
    shape: tuple[int, int]  # (B, D)
    _blocks: dict[int, Tensor] = field(default_factory=dict)

    def minibatches(self, first: int, stop: int) -> Tensor:
        """Return the draws of minibatches first … stop−1: ``(count, B, D)``."""
        blocks = range(first // _MINIBATCHES_PER_DRAW, (stop - 1) // _MINIBATCHES_PER_DRAW + 1)
        kept = self._blocks
        self._blocks = {index: kept[index] if index in kept else self._draw(index) for index in blocks}
        offset = blocks.start * _MINIBATCHES_PER_DRAW
        return torch.cat(list(self._blocks.values()))[first - offset : stop - offset]

    def _draw(self, index: int) -> Tensor:
        generator = stream(self.seed, "augmentation", index)
        return torch.rand((_MINIBATCHES_PER_DRAW, *self.shape), generator=generator)
