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
class PreparedMinibatches:
    """Indices and draws of consecutive minibatches, on the device."""

    first: int
    indices: Tensor  # (count, R, B)
    draws: Tensor | None  # (count, R, B, D)
    pipeline: Pipeline

    def batch(self, minibatch: int) -> Minibatches:
        """Gather (and augment) one minibatch of every run."""
        position = minibatch - self.first
        draws = None if self.draws is None else self.draws[position]
        return Minibatches(*self.pipeline.train_batch(self.indices[position], draws))


class BatchSource:
    """The minibatches of all runs of a pack."""

    def __init__(self, runs: Sequence[Run], pipeline: Pipeline) -> None:
        seeds = sorted({run.seed for run in runs})
        num_examples, optimizer = runs[0].data.num_train, runs[0].optimizer
        self._pipeline = pipeline
        self._seed_of_run = torch.tensor([seeds.index(run.seed) for run in runs])
        self._orders = [MinibatchOrder(seed, num_examples, optimizer) for seed in seeds]
        shape = (optimizer.batch_size, pipeline.num_draws)
        self._augmentations = [_Draws(seed, shape) for seed in seeds] if pipeline.num_draws else []

    def prepare(self, first: int, stop: int) -> PreparedMinibatches:
        """Draw minibatches first … stop−1 of every run."""
        device = self._pipeline.train_labels.device
        indices = torch.stack([order.minibatches(first, stop - first) for order in self._orders], dim=1)
        draws = None
        if self._augmentations:
            of_seed = torch.stack([a.minibatches(first, stop) for a in self._augmentations], dim=1)
            draws = of_seed[:, self._seed_of_run].to(device)
        return PreparedMinibatches(first, indices[:, self._seed_of_run].to(device), draws, self._pipeline)


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
