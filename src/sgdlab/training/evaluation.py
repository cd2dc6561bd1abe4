"""Accuracy and loss of R runs over whole sets of examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from sgdlab.models.network import Network
from sgdlab.training.objective import Tensors

_ELEMENTS_PER_CHUNK = 2**20  # of inputs over all runs: activations stay in cache for small networks


@dataclass(frozen=True)
class Evaluated:
    """R runs on M examples."""

    accuracy: Tensor  # (R,) float64
    loss: Tensor  # (R,) float64, mean cross-entropy
    correct: Tensor  # (R, M) bool

    @classmethod
    def of(cls, losses: Tensor, correct: Tensor) -> Evaluated:
        """Take the means over examples; both are ``(R, M)``."""
        return cls(correct.double().mean(dim=1), losses.double().mean(dim=1), correct)


class Evaluator(Protocol):
    """A way to evaluate."""

    def __call__(self, parameters: Tensors, inputs: Tensor, labels: Tensor) -> Evaluated:
        """Evaluate all runs on the same examples: inputs ``(M, *sample_shape)``, labels ``(M,)``."""
        ...


@dataclass(frozen=True)
class BatchedEvaluator:
    """All runs at once, on as many examples at a time as the cache can hold."""

    network: Network
    names: tuple[str, ...]  # of the parameters

    @torch.no_grad()
    def __call__(self, parameters: Tensors, inputs: Tensor, labels: Tensor) -> Evaluated:
        """Evaluate; see `Evaluator`."""
        named, num_runs = dict(zip(self.names, parameters, strict=True)), len(parameters[0])
        chunk = max(16, min(len(labels), _ELEMENTS_PER_CHUNK // (num_runs * inputs[0].numel())))
        correct, losses = [], []
        for x, y in zip(torch.split(inputs, chunk), torch.split(labels, chunk), strict=True):
            logits = self.network.logits(named, x.expand(num_runs, *x.shape))
            targets = y.expand(num_runs, -1)
            correct.append(logits.argmax(dim=2) == targets)
            losses.append(F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none"))
        loss = torch.cat([chunk_losses.view(num_runs, -1) for chunk_losses in losses], dim=1)
        return Evaluated.of(loss, torch.cat(correct, dim=1))
