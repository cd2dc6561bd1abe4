"""How an update follows a gradient g: clipped where it is too long, along a velocity where there is momentum.

    g ← g·min(1, c/‖g‖),   v ← μ·v + g,   ω ← ω − ε·v

With ε constant this moves as far in the long run as plain SGD with the effective learning rate ε/(1 − μ)
(smith2020, §2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from sgdlab.config.components import SgdOptimizer
from sgdlab.training.objective import Tensors, norm_sq, per_run
from sgdlab.training.state import State


@dataclass(frozen=True)
class Descent:
    """Of R runs: all of them clip or none does, and all have momentum or none has."""

    momenta: Tensor | None = None  # μ, (R,)
    clip_norms: Tensor | None = None  # c, (R,)

    @classmethod
    def of(cls, optimizers: Sequence[SgdOptimizer], like: Tensor) -> Self:
        """Return that of runs of one shape."""
        momenta, norms = [o.momentum for o in optimizers], [o.clip_norm for o in optimizers]
        return cls(
            like.new_tensor(momenta) if optimizers[0].momentum else None,
            like.new_tensor(norms) if optimizers[0].clip_norm else None,
        )

    @property
    def is_plain(self) -> bool:
        """Whether it subtracts ε·g and no more."""
        return self.momenta is None and self.clip_norms is None

    @torch.no_grad()
    def __call__(self, state: State, gradients: Tensors, rates: Tensor) -> None:
        """Move the parameters, in place; rates are ``(R,)``."""
        if self.clip_norms is not None:
            gradients = self._clipped(gradients, self.clip_norms)
        directions: Sequence[Tensor] = gradients
        if self.momenta is not None:
            for velocity, gradient in zip(state.velocities, gradients, strict=True):
                velocity.mul_(per_run(self.momenta, velocity)).add_(gradient)
            directions = state.velocities
        for parameter, direction in zip(state.parameters, directions, strict=True):
            parameter.addcmul_(direction, per_run(rates, direction), value=-1)

    def of_slots(self, slots: slice) -> Descent:
        """Return that of some of the runs: with the same tensors."""
        return Descent(
            None if self.momenta is None else self.momenta[slots],
            None if self.clip_norms is None else self.clip_norms[slots],
        )

    def adopt(self, other: Descent) -> None:
        """Follow other runs of the same shape from now on."""
        if self.momenta is not None and other.momenta is not None:
            self.momenta.copy_(other.momenta)
        if self.clip_norms is not None and other.clip_norms is not None:
            self.clip_norms.copy_(other.clip_norms)

    @staticmethod
    def _clipped(gradients: Tensors, norms: Tensor) -> Tensors:
        shrink = norms / torch.maximum(norm_sq(gradients).sqrt(), norms)
        return tuple(g * per_run(shrink, g) for g in gradients)


PLAIN = Descent()
