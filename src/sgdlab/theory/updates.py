"""The discrete updates that the flows are held against: gradient descent, SGD over an epoch, n-step SGD."""

from __future__ import annotations

import torch
from torch import Tensor

from sgdlab.theory.problems import Problem


def descend(
    problem: Problem, start: Tensor, batches: Tensor, orders: Tensor, lr: float, inner_steps: int = 1
) -> Tensor:
    """Return where SGD ends from `start` ``(P,)`` for each of R orders of batches: ``(R, P)``.

    Parameters
    ----------
    batches
        The examples of each batch, ``(m, B)``.
    orders
        Which batches are taken, one after the other, ``(R, L)``.
    lr
        Of each update: the bare α of n-step SGD.
    inner_steps
        Updates made on a batch before the next is taken: n (smith2021, §4).
    """
    points = start.expand(len(orders), -1)
    for taken in orders.T:
        for _ in range(inner_steps):
            points = points - lr * problem.gradients(points, batches[taken])
    return points


def every_order(num_batches: int) -> Tensor:
    """Return all orders of m batches, ``(m!, m)``."""
    from itertools import permutations

    return torch.tensor(list(permutations(range(num_batches))))
