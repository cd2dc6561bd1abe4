"""The mean of SGD's iterates over random shuffles, from many orders followed side by side.

Each shuffle is followed twice from the same start: forward, and with the batches of each epoch in reverse.
After one epoch of m updates (smith2021, eq. 14–17)

    ω_m = ω_0 − mε∇C + ε²·Σ_j Σ_{k<j} H_j ∇C_k + O(ε³),

and forward and reverse together have every two batches once in either order. So their average doesn't depend
on the order at O(ε²). It does depend on which examples share a batch, through −(ε²m/4)·∇[(1/m) Σ_k ‖∇C_k‖²].
That is known at the start, and so is its mean over shuffles (eq. 22): to subtract the difference changes no
mean, and leaves noise of O(ε³). Over several epochs each epoch's shuffle adds such a term. All are taken at
the first start: their mean is 0 there too, and while mε is small they are most of the noise.

Shuffles come in groups, and of a group its mean is kept: from the groups, errors are estimated. A group's
shuffles depend on (seed, group) alone, so that different learning rates see the same ones.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from sgdlab.theory.expected_modified_loss import expected_square_norm_gradient
from sgdlab.theory.flows import mean_square_norm_gradient
from sgdlab.theory.problems import Problem


@dataclass(frozen=True)
class Shuffles:
    """How many shuffles are drawn, and of what. B divides N: the theory is of equal batches."""

    batch_size: int
    num_epochs: int
    num_groups: int
    group_size: int  # shuffles; twice as many runs
    seed: int = 0

    @property
    def num_pairs(self) -> int:
        """All shuffles."""
        return self.num_groups * self.group_size

    def draw(self, group: int, num_examples: int) -> Tensor:
        """Return the examples of one group's batches, ``(S, E, m, B)``: each epoch has a shuffle of its own.

        Raises
        ------
        ValueError
            If B doesn't divide N.
        """
        if num_examples % self.batch_size:
            raise ValueError(f"batches of {self.batch_size} don't divide {num_examples} examples")
        digest = hashlib.sha256(f"order population/{self.seed}/{group}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))
        num_drawn = self.group_size * self.num_epochs
        drawn = [torch.randperm(num_examples, generator=generator) for _ in range(num_drawn)]
        return torch.stack(drawn).view(self.group_size, self.num_epochs, -1, self.batch_size)


@dataclass(frozen=True)
class GroupMeans:
    """Mean iterates of G groups of shuffles, after each of E epochs."""

    forward: Tensor  # (E, G, P) of the runs that take the batches as they were shuffled
    pairs: Tensor  # (E, G, P) of those and the reversed ones


def follow_orders(problem: Problem, orders: Tensor, lr: float) -> Tensor:
    """Return where SGD is after each epoch, ``(E, R, P)``, of R orders of examples, ``(R, E, m, B)``."""
    points = problem.start.repeat(len(orders), 1)
    after = []
    for epoch in orders.unbind(dim=1):
        for examples in epoch.unbind(dim=1):
            points = points.sub(problem.gradients(points, examples), alpha=lr)
        after.append(points)
    return torch.stack(after)


def follow_groups(problem: Problem, shuffles: Shuffles, lr: float) -> GroupMeans:
    """Follow every shuffle and its reverse; 2·E·G·S epochs of gradients."""
    forward, pairs = [], []
    for group in range(shuffles.num_groups):
        orders = shuffles.draw(group, problem.num_examples)
        there = follow_orders(problem, orders, lr).mean(dim=1)
        back = follow_orders(problem, orders.flip(2), lr).mean(dim=1)
        forward.append(there)
        pairs.append((there + back) / 2)
    return GroupMeans(torch.stack(forward, dim=1), torch.stack(pairs, dim=1))


def composition_noise(problem: Problem, shuffles: Shuffles) -> Tensor:
    """Return what the composition of the batches adds to a group's mean, over ε², at O(ε²): ``(E, G, P)``.

    That is −(m/4)·(∇[(1/m) Σ_k ‖∇C_k‖²] − ∇E‖∇C_k‖²) at the start, summed over the epochs so far. Its mean
    over shuffles is 0, and it is the same for every learning rate.
    """
    expected = expected_square_norm_gradient(problem, shuffles.batch_size, problem.start)
    num_batches = problem.num_examples // shuffles.batch_size
    groups = []
    for group in range(shuffles.num_groups):
        epochs = shuffles.draw(group, problem.num_examples).unbind(dim=1)
        found = [mean_square_norm_gradient(problem, epoch.flatten(0, 1), problem.start) for epoch in epochs]
        groups.append(torch.stack(found) - expected)
    return -num_batches / 4 * torch.stack(groups, dim=1).cumsum(dim=0)
