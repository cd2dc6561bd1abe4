"""From update numbers to minibatches on the device, for all runs of a pack.

Runs with one seed see the same batches in the same augmentation; so the indices and draws of those that are
at one update are made once. Augmentation draws come in blocks with streams of their own, like the orders.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from sgdlab.config.schema import Run
from sgdlab.data.examples import ResidentExamples
from sgdlab.data.pipeline import Pipeline
from sgdlab.training.objective import Minibatches
from sgdlab.training.orders import MinibatchOrder
from sgdlab.training.streams import Purpose, stream

_MINIBATCHES_PER_DRAW = 64
_LARGEST_DRAW = 2**24  # numbers, where that many minibatches would take more


class Position(NamedTuple):
    """Where a run is in its stream of minibatches."""

    seed: int
    update: int  # the next to be made


@dataclass(frozen=True)
class UpdateBatches:
    """The minibatches of U consecutive updates: indices and draws, on the device."""

    indices: Tensor  # (U, R, B) int64
    draws: Tensor | None  # of the augmentation, (U, R, B, D)
    pipeline: Pipeline
    dropout: Tensor | None = None  # draws of the network, (U, R, B, num_draws)
    starts: Tensor | None = None  # where a minibatch begins streams of examples, (U, R) bool

    def __len__(self) -> int:
        return len(self.indices)

    def batch(self, position: int) -> Minibatches:
        """Gather (and augment) the minibatch of every run at one of the updates; the next comes after it."""
        if 0 <= position < len(self) - 1:
            self.pipeline.prefetch(*self._at(position + 1))
        dropout, starts = (None if of is None else of[position] for of in (self.dropout, self.starts))
        return Minibatches(*self.pipeline.train_batch(*self._at(position)), dropout, starts=starts)

    def of_slots(self, slots: slice | list[int]) -> UpdateBatches:
        """Return the minibatches of some of the runs, as of a pack of them."""
        optional = (self.draws, self.dropout, self.starts)
        draws, dropout, starts = (None if of is None else of[:, slots] for of in optional)
        return UpdateBatches(self.indices[:, slots], draws, self.pipeline, dropout, starts)

    def table(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return examples ``(M, features)``, labels ``(M,)`` and the rows of each batch ``(U, R, B)``.

        The table is the training set itself where that is in memory and not augmented; otherwise every batch
        has rows of its own.
        """
        train = self.pipeline.train
        if self.draws is None and isinstance(train, ResidentExamples):
            return train.inputs.flatten(1), train.labels, self.indices
        batches = [self.batch(position) for position in range(len(self))]
        inputs = torch.stack([batch.inputs for batch in batches]).flatten(3).flatten(0, 2)
        labels = torch.stack([batch.labels for batch in batches]).flatten()
        return inputs, labels, torch.arange(len(labels)).view(self.indices.shape)

    def _at(self, position: int) -> tuple[Tensor, Tensor | None]:
        return self.indices[position], None if self.draws is None else self.draws[position]


class BatchSource:
    """The minibatches of runs of one shape, each at its own update."""

    def __init__(self, run: Run, pipeline: Pipeline, num_dropout_draws: int = 0) -> None:
        self._run, self._pipeline = run, pipeline  # of the run, only what its whole pack shares
        self._num_dropout_draws = num_dropout_draws  # of an example
        self._readers: dict[Position, _Reader] = {}

    def prepare(self, positions: Sequence[Position | None], num_updates: int) -> UpdateBatches:
        """Draw the minibatches of the next updates of each run; None stands for an empty slot.

        Runs at one position share a reader, and readers move along with their runs: a run that goes on finds
        its epoch drawn.
        """
        places = {position: place for place, position in enumerate(dict.fromkeys(filter(None, positions)))}
        readers: dict[Position, _Reader] = {}
        indices: list[Tensor] = []
        draws: list[Tensor] = []
        dropout: list[Tensor] = []
        starts: list[Tensor] = []
        for position in places:
            stop = position.update + num_updates
            reader = self._readers.get(position) or self._new_reader(position.seed)
            readers[Position(position.seed, stop)] = reader
            indices.append(reader.indices(position.update, stop))
            if self._pipeline.num_draws:
                draws.append(reader.draws("augmentation", position.update, stop))
            if self._num_dropout_draws:
                dropout.append(reader.draws("dropout", position.update, stop))
            if (begun := reader.starts(position.update, stop)) is not None:
                starts.append(begun)
        self._readers = readers
        of_slot = torch.tensor([places[position] if position else 0 for position in positions])

        def for_slots(of_place: list[Tensor]) -> Tensor | None:
            if not of_place:
                return None
            return torch.stack(of_place, dim=1)[:, of_slot].to(self._pipeline.train.labels.device)

        chosen = for_slots(indices)
        assert chosen is not None
        return UpdateBatches(chosen, for_slots(draws), self._pipeline, for_slots(dropout), for_slots(starts))

    def _new_reader(self, seed: int) -> _Reader:
        return _Reader(seed, self._run, self._pipeline.num_draws, self._num_dropout_draws)


class _Reader:
    """The minibatches of one seed, read on from where they were left.

    n-step SGD makes `inner_steps` updates on each.
    """

    def __init__(self, seed: int, run: Run, num_augmentation_draws: int, num_dropout_draws: int) -> None:
        self._inner_steps = run.optimizer.inner_steps
        self._order = MinibatchOrder(seed, run.data.num_train, run.optimizer)
        batch_size = run.optimizer.batch_size
        self._draws = {
            "augmentation": _Draws(seed, "augmentation", (batch_size, num_augmentation_draws)),
            "dropout": _Draws(seed, "dropout", (batch_size, num_dropout_draws)),
        }

    def indices(self, first: int, stop: int) -> Tensor:
        """Return the examples of updates first … stop−1: ``(U, B)``."""
        start, end = self._span(first, stop)
        return self._repeated(self._order.minibatches(start, end - start), first, stop)

    def starts(self, first: int, stop: int) -> Tensor | None:
        """Return which of them begin streams, ``(U,)``; None where there are no streams."""
        start, end = self._span(first, stop)
        starts = self._order.starts(start, end - start)
        return None if starts is None else self._repeated(starts, first, stop)

    def draws(self, purpose: Purpose, first: int, stop: int) -> Tensor:
        """Return the draws of their augmentation or dropout: ``(U, B, D)``."""
        return self._repeated(self._draws[purpose].minibatches(*self._span(first, stop)), first, stop)

    def _span(self, first: int, stop: int) -> tuple[int, int]:
        return first // self._inner_steps, (stop - 1) // self._inner_steps + 1

    def _repeated(self, minibatches: Tensor, first: int, stop: int) -> Tensor:
        if self._inner_steps == 1:
            return minibatches
        return minibatches[torch.arange(first, stop) // self._inner_steps - first // self._inner_steps]


@dataclass
class _Draws:
    """Uniform draws of one seed for one purpose."""

    seed: int
    purpose: Purpose
    shape: tuple[int, int]  # (B, D)
    _blocks: dict[int, Tensor] = field(default_factory=dict)

    def minibatches(self, first: int, stop: int) -> Tensor:
        """Return the draws of minibatches first … stop−1: ``(count, B, D)``."""
        blocks = range(first // self._length, (stop - 1) // self._length + 1)
        kept = self._blocks
        self._blocks = {index: kept[index] if index in kept else self._draw(index) for index in blocks}
        offset = blocks.start * self._length
        return torch.cat(list(self._blocks.values()))[first - offset : stop - offset]

    @property
    def _length(self) -> int:
        """Minibatches that are drawn together."""
        return max(1, min(_MINIBATCHES_PER_DRAW, _LARGEST_DRAW // max(1, math.prod(self.shape))))

    def _draw(self, index: int) -> Tensor:
        generator = stream(self.seed, self.purpose, index)
        return torch.rand((self._length, *self.shape), generator=generator)
