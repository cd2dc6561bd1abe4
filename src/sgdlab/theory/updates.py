"""The discrete updates that the flows are held against: gradient descent, SGD over an epoch, n-step SGD."""

from __future__ import annotations

from torch import Tensor

from sgdlab.theory.problems import Problem


def descend(
    problem: Problem, batches: Tensor, orders: Tensor, lr: float, updates_per_batch: int = 1
) -> Tensor:
    """Return where SGD ends from the problem's start for each of R orders of batches: ``(R, P)``.

    Parameters
    ----------
    batches
        The examples of each batch, ``(m, B)``.
    orders
        Which batches are taken, one after the other, ``(R, L)``.
    lr
        Of each update: the bare α of n-step SGD.
    updates_per_batch
        Updates made on a batch before the next is taken: n (smith2021, §4).
    """
    points = problem.start.expand(len(orders), -1)
    for taken in orders.T:
        for _ in range(updates_per_batch):
            points = points - lr * problem.gradients(points, batches[taken])
    return points
