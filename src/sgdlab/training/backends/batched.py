"""Automatic differentiation, in eager mode: of all runs at once, or of one after the other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sgdlab.models.layers import convolve_alone
from sgdlab.training.backends.backend import Backend, Following, Stepwise, UpdateRule
from sgdlab.training.batches import UpdateBatches
from sgdlab.training.penalty import update_direction
from sgdlab.training.state import State


def batched(rule: UpdateRule, _like: Tensor) -> Stepwise:
    """Every operation has the run on its leading axis."""
    return Stepwise(Following(update_direction(rule.objective, rule.penalties), rule))


def per_run(rule: UpdateRule, like: Tensor) -> PerRun:
    """One run after the other: best where a single run's operations are large, as convolutions are."""
    if rule.is_convolutional:
        rule = rule.with_convolution(convolve_alone)
    return PerRun(tuple(batched(rule.of_run(slot), like) for slot in range(rule.num_runs)))


@dataclass(frozen=True)
class PerRun:
    """A backend for each run."""

    backends: tuple[Backend, ...]

    def advance(self, state: State, batches: UpdateBatches, rates: Tensor) -> Tensor:
        """Make the updates; see `Backend.advance`."""
        losses = torch.zeros_like(rates)
        for slot, backend in enumerate(self.backends):
            one = slice(slot, slot + 1)
            if rates[:, slot].any():
                losses[:, one] = backend.advance(state.of_slots(one), batches.of_slots(one), rates[:, one])
        return losses
