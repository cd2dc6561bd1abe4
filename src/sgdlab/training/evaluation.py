"""Accuracy and loss of R runs over whole sets of examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from sgdlab.training.losses import example_losses, hits
from sgdlab.training.objective import Objective
from sgdlab.training.state import State

_ELEMENTS_PER_CHUNK = 2**20  # of inputs over all runs: activations stay in cache for small networks


@dataclass(frozen=True)
class Evaluated:
    """K runs on M examples."""

    loss: Tensor  # (K,) float64, the mean
    correct: Tensor | None  # (K, M) bool; (K, M·T) of sequences; None where there are no classes

    @classmethod
    def of(cls, losses: Tensor, correct: Tensor | None) -> Evaluated:
        """Take the mean over examples of losses ``(K, M)``."""
        return cls(losses.double().mean(dim=1), correct)

    @property
    def accuracy(self) -> Tensor | None:
        """The share that is right, (K,) float64."""
        return None if self.correct is None else self.correct.double().mean(dim=1)


class Evaluator(Protocol):
    """A way to evaluate."""

    def __call__(self, state: State, inputs: Tensor, labels: Tensor) -> Evaluated:
        """Evaluate any K runs of a pack on inputs ``(M, *sample_shape)``; labels are ``(M,)``, ``(M, T)``."""
        ...


@dataclass(frozen=True)
class BatchedEvaluator:
    """All runs at once, on as many examples at a time as the cache can hold for a whole pack.

    Whichever of its runs are evaluated, they are the same examples at a time: no bit depends on the others.
    """

    objective: Objective
    pack_width: int

    @torch.no_grad()
    def __call__(self, state: State, inputs: Tensor, labels: Tensor) -> Evaluated:
        """Evaluate; see `Evaluator`."""
        objective, num_runs = self.objective, len(state.parameters[0])
        values = objective.values(state.parameters, state.buffers)
        chunk = max(16, min(len(labels), _ELEMENTS_PER_CHUNK // (self.pack_width * inputs[0].numel())))
        correct: list[Tensor] = []
        losses: list[Tensor] = []
        for x, y in zip(torch.split(inputs, chunk), torch.split(labels, chunk), strict=True):
            inputs_of_all, targets = x.expand(num_runs, *x.shape), y.expand(num_runs, *y.shape)
            logits = objective.network.logits(values, inputs_of_all)
            losses.append(example_losses(objective.loss, logits, inputs_of_all, targets))
            if (right := hits(objective.loss, logits, targets)) is not None:
                correct.append(right.flatten(1))
        return Evaluated.of(torch.cat(losses, dim=1), torch.cat(correct, dim=1) if correct else None)
