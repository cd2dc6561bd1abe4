"""Orders in which fixed batches are taken, enumerated: a row is a run, its batches one after the other."""

from __future__ import annotations

from itertools import permutations

import torch
from torch import Tensor


def every_order(num_batches: int) -> Tensor:
    """Return all orders of the m batches of an epoch, ``(m!, m)``."""
    return torch.tensor(list(permutations(range(num_batches))))


def forward_then_reverse(num_batches: int) -> Tensor:
    """Return all orders of two epochs of which the second is the first reversed, ``(m!, 2m)``."""
    forward = every_order(num_batches)
    return torch.cat([forward, forward.flip(1)], dim=1)


def two_shuffled_epochs(num_batches: int) -> Tensor:
    """Return all orders of two epochs, each in an order of its own, ``(m!², 2m)``."""
    epoch = every_order(num_batches)
    return torch.cat([epoch.repeat_interleave(len(epoch), dim=0), epoch.repeat(len(epoch), 1)], dim=1)


def independent_draws(num_batches: int, num_updates: int) -> Tensor:
    """Return all sequences of batches that are drawn anew for each update, ``(m^L, L)``."""
    return torch.cartesian_prod(*[torch.arange(num_batches)] * num_updates)
