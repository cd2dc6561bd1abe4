"""Accuracy and loss of R runs over whole sets of examples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sgdlab.models.network import Network, Parameters

_ELEMENTS_PER_CHUNK = 2**20  # of inputs over all runs: activations stay in cache for small networks


@dataclass(frozen=True)
class Evaluated:
    """R runs on M examples."""

    accuracy: Tensor  # (R,) float64
    loss: Tensor  # (R,) float64, mean cross-entropy
    correct: Tensor  # (R, M) bool


@torch.no_grad()
def evaluate(
    network: Network, parameters: Parameters, inputs: Tensor, labels: Tensor, pack_width: int
) -> Evaluated:
    """Evaluate runs of a pack on the same examples: inputs ``(M, *sample_shape)``, labels ``(M,)``.

    Examples are taken together as many at a time as suits the whole pack, whichever of its runs these are: so
    a run's bits don't depend on who else is evaluated.
    """
    num_runs = next(iter(parameters.values())).shape[0]
    chunk = max(16, min(len(labels), _ELEMENTS_PER_CHUNK // (pack_width * inputs[0].numel())))
    correct, losses = [], []
    for x, y in zip(torch.split(inputs, chunk), torch.split(labels, chunk), strict=True):
        logits = network.logits(parameters, x.expand(num_runs, *x.shape))
        targets = y.expand(num_runs, -1)
        correct.append(logits.argmax(dim=2) == targets)
        losses.append(F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none"))
    loss = torch.cat([chunk_losses.view(num_runs, -1) for chunk_losses in losses], dim=1)
    hits = torch.cat(correct, dim=1)
    return Evaluated(hits.double().mean(dim=1), loss.double().mean(dim=1), hits)
