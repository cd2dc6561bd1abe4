"""SGD's implicit regulariser at one point: C_reg = 1/(4m)·Σ_k ‖∇C_k‖² (smith2021, eq. 1), and ‖∇C‖².

m = N // B batches of a fixed partition of the training set; where B doesn't divide N the examples left over
count in ∇C, which is over the whole set, and not in C_reg, whose batches all have B examples. Averaged over
partitions, C_reg = ¼‖∇C‖² + (N−B)/(N−1)·Γ/(4B) (eq. 22). Cost: one epoch of gradients. Sums are in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

Gradients = tuple[Tensor, ...]


@dataclass(frozen=True)
class GradientStatistics:
    """Of each run, over the whole training set."""

    c_reg: Tensor  # (R,) float64
    gradient_norm_sq: Tensor  # (R,) float64, ‖∇C‖²


def gradient_statistics(
    gradients: Callable[[Tensor], Gradients], partition: Tensor, batch_size: int
) -> GradientStatistics:
    """Measure C_reg and ‖∇C‖² of R runs at once.

    Parameters
    ----------
    gradients
        Maps example indices ``(b,)`` to the gradients of their mean cost, each ``(R, …)``.
    partition
        All N examples in the order in which they form batches, ``(N,)``.
    batch_size
        B, at most N.

    Raises
    ------
    ValueError
        If there is no full batch.
    """
    num_examples = len(partition)
    if not 1 <= batch_size <= num_examples:
        raise ValueError(f"batch_size={batch_size} must be between 1 and the {num_examples} examples")
    num_full = num_examples // batch_size
    sum_of_norms: Tensor | None = None
    total: list[Tensor] = []
    for index, examples in enumerate(torch.split(partition, batch_size)):
        batch_gradients = [g.detach().double() for g in gradients(examples)]
        if index < num_full:
            norms = _norm_sq(batch_gradients)
            sum_of_norms = norms if sum_of_norms is None else sum_of_norms + norms
        weight = len(examples) / num_examples
        if not total:
            total = [weight * g for g in batch_gradients]
        else:
            for accumulated, g in zip(total, batch_gradients, strict=True):
                accumulated.add_(g, alpha=weight)
    assert sum_of_norms is not None
    return GradientStatistics(sum_of_norms / (4 * num_full), _norm_sq(total))


def _norm_sq(gradients: Sequence[Tensor]) -> Tensor:
    """Added one by one: torch sums over a leading axis in another order for the last few runs."""
    return reduce(torch.add, (g.flatten(1).square().sum(dim=1) for g in gradients))
