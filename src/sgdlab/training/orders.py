"""Minibatch orders: which examples the k-th minibatch of a run holds.

An order is a sequence of blocks (an epoch, mostly), each drawn from a stream of its own; so the k-th
minibatch is known without drawing the ones before it, and a resumed run needs to store no generator.

=================  =======================================================================================
shuffled           a fresh permutation each epoch; every example once (smith2021, §2)
fixed              the first epoch's batches, in the same order, each epoch
forward_reverse    the batches of an epoch, then the same in reverse; fresh each pair (§2.2, remarks)
independent        each batch drawn anew from the whole set, no example twice in a batch (smith2020)
with_replacement   each example of each batch drawn anew from the whole set
sequential         B streams side by side, none of them shuffled: batch i of an epoch holds example
                   b·⌊N/B⌋ + i of each stream b, so that texts are read on (Zaremba et al. 2014)
=================  =======================================================================================

Where B doesn't divide N, `drop` leaves the last N mod B examples of a shuffled epoch out, and `carry` lets a
batch straddle two epochs, so that every example is seen equally often.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sgdlab.config.components import SgdOptimizer
from sgdlab.training.streams import stream

_DRAWN_BATCHES_PER_BLOCK = 64


@dataclass
class MinibatchOrder:
    """The minibatches of one seed; `minibatches(first, count)` returns indices ``(count, B)``."""

    seed: int
    num_examples: int
    optimizer: SgdOptimizer
    _block_index: int = field(default=-1, init=False)
    _block: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64), init=False)

    def minibatches(self, first: int, count: int) -> Tensor:
        """Return the example indices of minibatches `first` … `first + count − 1`: ``(count, B)``, int64."""
        pieces: list[Tensor] = []
        while count > 0:
            block = self._load(first // self.batches_per_block)
            offset = first % self.batches_per_block
            piece = block[offset : offset + count]
            pieces.append(piece)
            first, count = first + len(piece), count - len(piece)
        return torch.cat(pieces) if len(pieces) > 1 else pieces[0]

    def starts(self, first: int, count: int) -> Tensor | None:
        """Return which of these minibatches begin the streams of a sequential order: ``(count,)``, bool.

        None where minibatches have nothing to go on from.
        """
        if self.optimizer.order != "sequential":
            return None
        return torch.arange(first, first + count) % self.batches_per_block == 0

    @property
    def batches_per_block(self) -> int:
        """Minibatches that one stream draws together."""
        num, size, order = self.num_examples, self.optimizer.batch_size, self.optimizer.order
        if order in ("independent", "with_replacement"):
            return _DRAWN_BATCHES_PER_BLOCK
        if self.optimizer.remainder == "carry":
            return num // math.gcd(num, size)
        return num // size * (2 if order == "forward_reverse" else 1)

    def _load(self, index: int) -> Tensor:
        if index != self._block_index:
            self._block, self._block_index = _BLOCKS[self.optimizer.order](self, index), index
        return self._block

    def _epoch(self, index: int) -> Tensor:
        """Return one shuffled epoch, whole batches only: ``(N // B, B)``."""
        permutation = torch.randperm(self.num_examples, generator=stream(self.seed, "order", index))
        size = self.optimizer.batch_size
        return permutation[: len(permutation) // size * size].view(-1, size)

    def _shuffled(self, index: int) -> Tensor:
        if self.optimizer.remainder == "drop" or self.num_examples % self.optimizer.batch_size == 0:
            return self._epoch(index)
        num_epochs = self.batches_per_block * self.optimizer.batch_size // self.num_examples
        epochs = [
            torch.randperm(self.num_examples, generator=stream(self.seed, "order", index * num_epochs + e))
            for e in range(num_epochs)
        ]
        return torch.cat(epochs).view(-1, self.optimizer.batch_size)

    def _fixed(self, _index: int) -> Tensor:
        return self._epoch(0)

    def _forward_reverse(self, index: int) -> Tensor:
        forward = self._epoch(index)
        return torch.cat([forward, forward.flip(0)])

    def _with_replacement(self, index: int) -> Tensor:
        shape = (_DRAWN_BATCHES_PER_BLOCK, self.optimizer.batch_size)
        return torch.randint(self.num_examples, shape, generator=stream(self.seed, "order", index))

    def _sequential(self, _index: int) -> Tensor:
        return sequential_epoch(self.num_examples, self.optimizer.batch_size)

    def _independent(self, index: int) -> Tensor:
        """Draw each batch by Floyd's algorithm, all batches of the block side by side."""
        generator = stream(self.seed, "order", index)
        num, size = self.num_examples, self.optimizer.batch_size
        chosen = torch.empty((_DRAWN_BATCHES_PER_BLOCK, size), dtype=torch.int64)
        for position, largest in enumerate(range(num - size, num)):
            drawn = torch.randint(largest + 1, (_DRAWN_BATCHES_PER_BLOCK,), generator=generator)
            taken = (chosen[:, :position] == drawn[:, None]).any(dim=1)
            chosen[:, position] = torch.where(taken, largest, drawn)
        return chosen


def sequential_epoch(num_examples: int, batch_size: int) -> Tensor:
    """Return the minibatches of streams of equal length, side by side: ``(N // B, B)``, int64."""
    length = num_examples // batch_size
    return torch.arange(length).unsqueeze(1) + length * torch.arange(batch_size)


_BLOCKS: dict[str, Callable[[MinibatchOrder, int], Tensor]] = {
    "shuffled": MinibatchOrder._shuffled,
    "fixed": MinibatchOrder._fixed,
    "forward_reverse": MinibatchOrder._forward_reverse,
    "with_replacement": MinibatchOrder._with_replacement,
    "independent": MinibatchOrder._independent,
    "sequential": MinibatchOrder._sequential,
}
