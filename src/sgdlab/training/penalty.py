"""The gradient of the modified loss C_k + (λ/4)·‖∇C_k‖²: g + (λ/2)·H_k g, by three estimators.

`exact` is double backward. The finite differences take H g ≈ (g(ω + h g) − g(ω))/h, or the central form,
with h = r/‖g‖: a step of length r. They are biased: O(r) and O(r²) for a smooth network, and for ReLU, where
a step crosses kinks, by any amount at all; so their error is measured against the exact product in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, Self

import torch
from torch import Tensor

from sgdlab.config.components import (
    GradientNormRegularizer,
    NoRegularizer,
    Regularizer,
)
from sgdlab.training.micro_batches import MicroBatchNoisePenalty, MicroBatchNormPenalty
from sgdlab.training.objective import (
    Minibatches,
    Objective,
    Tensors,
    UpdateDirection,
    norm_sq,
    per_run,
    scaled,
)


@dataclass(frozen=True)
class Penalties:
    """The penalty of each run of a pack; all are of one kind, and estimated in one way."""

    kind: Literal["gradient_norm", "gradient_noise"]
    estimator: str
    micro_batch_size: int | None  # None: of the minibatch as a whole
    strengths: Tensor  # λ, (R,)
    radius: Tensor  # length of a difference's step, (R,)

    @classmethod
    def of(cls, regularizers: Sequence[Regularizer], like: Tensor) -> Self | None:
        """Return the penalties of runs that all have one; None where none has."""
        penalties = [r for r in regularizers if not isinstance(r, NoRegularizer)]
        if not penalties:
            return None
        norms = [r for r in penalties if isinstance(r, GradientNormRegularizer)]
        strengths = like.new_tensor([r.strength for r in penalties])
        radius = like.new_tensor([r.difference_radius for r in norms])
        estimator = norms[0].estimator if norms else "exact"
        return cls(penalties[0].kind, estimator, penalties[0].micro_batch_size, strengths, radius)


@dataclass(frozen=True)
class ExactPenalty:
    """∇(C_k + (λ/4)‖∇C_k‖²) by double backward."""

    objective: Objective
    strengths: Tensor  # λ, (R,)

    def __call__(self, parameters: Tensors, batch: Minibatches) -> tuple[Tensor, Tensors]:
        """Return losses ``(R,)`` and the gradient of the modified loss."""
        losses, gradients, products = self.objective.gradients_and_product(
            parameters, batch, partial(scaled, self.strengths / 2)
        )
        return losses, tuple(g + p for g, p in zip(gradients, products, strict=True))


@dataclass(frozen=True)
class DifferencePenalty:
    """The same by finite differences along the gradient, with a step of length `radius`."""

    objective: Objective
    strengths: Tensor  # λ, (R,)
    radius: Tensor  # ‖δω‖, (R,)
    is_central: bool

    def __call__(self, parameters: Tensors, batch: Minibatches) -> tuple[Tensor, Tensors]:
        """Return losses ``(R,)`` and the estimated gradient of the modified loss."""
        losses, gradients = self.objective.gradients(parameters, batch)
        products = self.product(parameters, batch, gradients)
        return losses, tuple(
            torch.addcmul(g, per_run(self.strengths / 2, g), p)
            for g, p in zip(gradients, products, strict=True)
        )

    def product(self, parameters: Tensors, batch: Minibatches, gradients: Tensors) -> Tensors:
        """Return H_k g of each run by differences; 0 where the gradient vanishes."""
        norm = norm_sq(gradients).sqrt()
        step = torch.where(norm > 0, self.radius / norm, torch.ones_like(norm))
        ahead = self._gradients_at(parameters, gradients, step, batch)
        if self.is_central:
            behind, step = self._gradients_at(parameters, gradients, -step, batch), 2 * step
        else:
            behind = gradients
        return tuple((a - b) / per_run(step, a) for a, b in zip(ahead, behind, strict=True))

    def relative_error(self, parameters: Tensors, batch: Minibatches) -> Tensor:
        """Return ‖H g by differences − H g‖/‖H g‖ of each run on one minibatch; 0 where both vanish."""
        _, gradients, exact = self.objective.gradients_and_product(parameters, batch, lambda own: own)
        estimate = self.product(parameters, batch, gradients)
        error = norm_sq(tuple(e - x for e, x in zip(estimate, exact, strict=True)))
        return torch.where(error == 0, 0, error / norm_sq(exact)).sqrt()

    def _gradients_at(
        self, parameters: Tensors, direction: Tensors, step: Tensor, batch: Minibatches
    ) -> Tensors:
        """Return ∇C_k at ω + step·direction; the parameters themselves are not touched."""
        moved = tuple(
            torch.addcmul(p.detach(), per_run(step, d), d).requires_grad_()
            for p, d in zip(parameters, direction, strict=True)
        )
        return self.objective.gradients(moved, batch)[1]


def update_direction(objective: Objective, penalties: Penalties | None) -> UpdateDirection:
    """Return what a pack's runs follow."""
    if penalties is None:
        return objective.gradients
    if penalties.micro_batch_size is not None:
        is_noise = penalties.kind == "gradient_noise"
        of_micro_batches = MicroBatchNoisePenalty if is_noise else MicroBatchNormPenalty
        return of_micro_batches(objective, penalties.strengths, penalties.micro_batch_size)
    difference = difference_penalty(objective, penalties)
    return ExactPenalty(objective, penalties.strengths) if difference is None else difference


def difference_penalty(objective: Objective, penalties: Penalties | None) -> DifferencePenalty | None:
    """Return the penalty of a pack that estimates it by finite differences; None of any other."""
    if penalties is None or penalties.estimator == "exact":
        return None
    is_central = penalties.estimator == "central_difference"
    return DifferencePenalty(objective, penalties.strengths, penalties.radius, is_central)
