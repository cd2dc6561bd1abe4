"""Accuracy and loss of R runs over whole sets of examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from sgdlab.data.examples import Examples
from sgdlab.models.network import Network
from sgdlab.training.objective import Tensors

_ELEMENTS_PER_CHUNK = 2**20  # of inputs over all runs: activations stay in cache for small networks


@dataclass(frozen=True)
class Evaluated:
    """K runs on M examples."""

    accuracy: Tensor  # (K,) float64
    loss: Tensor  # (K,) float64, mean cross-entropy
    correct: Tensor  # (K, M) bool

    @classmethod
    def of(cls, losses: Tensor, correct: Tensor) -> Evaluated:
        """Take the means over examples; both are ``(K, M)``."""
        return cls(correct.double().mean(dim=1), losses.double().mean(dim=1), correct)

    @classmethod
    def over(cls, blocks: Sequence[Evaluated]) -> Evaluated:
        """Join what was found on the blocks of a set; one alone stays as it is, to the bit."""
        if len(blocks) == 1:
            return blocks[0]
        correct = torch.cat([block.correct for block in blocks], dim=1)
        shares = [block.correct.shape[1] / correct.shape[1] for block in blocks]
        accuracies = [share * block.accuracy for share, block in zip(shares, blocks, strict=True)]
        losses = [share * block.loss for share, block in zip(shares, blocks, strict=True)]
        return cls(torch.stack(accuracies).sum(dim=0), torch.stack(losses).sum(dim=0), correct)


class Evaluator(Protocol):
    """A way to evaluate."""

    def __call__(self, parameters: Tensors, inputs: Tensor, labels: Tensor) -> Evaluated:
        """Evaluate any K runs of the pack on inputs ``(M, *sample_shape)`` with labels ``(M,)``."""
        ...


def evaluate(evaluator: Evaluator, parameters: Tensors, examples: Examples) -> Evaluated:
    """Evaluate any K runs of the pack on a whole set, of which no more than a block is held at a time."""
    return Evaluated.over([evaluator(parameters, *block) for block in examples.blocks()])


@dataclass(frozen=True)
class BatchedEvaluator:
    """All runs at once, on as many examples at a time as the cache can hold for a whole pack.

    Whichever of its runs are evaluated, they are the same examples at a time: no bit depends on the others.
    """

    network: Network
    names: tuple[str, ...]  # of the parameters
    pack_width: int

    @torch.no_grad()
    def __call__(self, parameters: Tensors, inputs: Tensor, labels: Tensor) -> Evaluated:
        """Evaluate; see `Evaluator`."""
        named, num_runs = dict(zip(self.names, parameters, strict=True)), len(parameters[0])
        chunk = max(16, min(len(labels), _ELEMENTS_PER_CHUNK // (self.pack_width * inputs[0].numel())))
        correct, losses = [], []
        for x, y in zip(torch.split(inputs, chunk), torch.split(labels, chunk), strict=True):
            logits = self.network.logits(named, x.expand(num_runs, *x.shape))
            targets = y.expand(num_runs, -1)
            correct.append(logits.argmax(dim=2) == targets)
            losses.append(F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none"))
        loss = torch.cat([chunk_losses.view(num_runs, -1) for chunk_losses in losses], dim=1)
        return Evaluated.of(loss, torch.cat(correct, dim=1))
