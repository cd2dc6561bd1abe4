"""What a step along −η·v meets: loss and curvature on its way, and the loss that a random batch leads to.

Directional sharpness ‖H_α‖_{S_n} = ∇Cᵀ H_α ∇C/‖∇C‖² with H_α = H(ω − α·η·∇C) (lssr2022, §4.2): the Hessian
moves, the direction doesn't.

The mean change of the loss over batches, E C(ω − η·g_b) − C(ω), is what lssr2022 draws against
tr(H S_b)/tr(S_n) (eq. 6): exact for b = n, elsewhere over random batches with a standard error. To first
order the change is −η·∇C·g_b, whose mean −η‖∇C‖² is known; so only what is left over is averaged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sgdlab.diagnostics.curvature.products import HessianProduct
from sgdlab.diagnostics.estimate import Estimate, refuse_few
from sgdlab.diagnostics.risk import EmpiricalRisk
from sgdlab.diagnostics.vectors import dot, shape_like
from sgdlab.errors import UserError


@dataclass(frozen=True)
class AlongStep:
    """At A points of the way ω − α·η·v."""

    fractions: tuple[float, ...]  # α, (A,)
    loss: Tensor  # (A, R) float64, C there
    sharpness: Tensor  # (A, R) float64, vᵀH v/‖v‖² there


def along_step(
    risk: EmpiricalRisk, direction: Tensor, learning_rates: Tensor, fractions: Sequence[float]
) -> AlongStep:
    """Measure loss and directional sharpness along a step.

    Parameters
    ----------
    risk
        At the point that the step leaves.
    direction
        v, ``(R, P)``: the gradient, for a step of gradient descent.
    learning_rates
        η of each run, ``(R,)``.
    fractions
        α of each point; 0 is where the step starts, 1 where it ends. One costs a product and a pass.

    Raises
    ------
    UserError
        As products do.
    """
    length_sq = dot(direction, direction)
    losses, sharpness = [], []
    for fraction in fractions:
        there = _moved(risk, direction, fraction * learning_rates)
        losses.append(there.value())
        sharpness.append(dot(direction, HessianProduct(there)(direction)) / length_sq)
    return AlongStep(tuple(fractions), torch.stack(losses), torch.stack(sharpness))


def mean_loss_change(
    risk: EmpiricalRisk,
    gradient: Tensor,
    learning_rates: Tensor,
    batch_size: int,
    *,
    num_batches: int = 16,
    seed: int = 0,
) -> Estimate:
    """Estimate E C(ω − η g_b) − C(ω), the mean over batches without replacement.

    Parameters
    ----------
    risk
        At the point that the update leaves.
    gradient
        ∇C there, ``(R, P)``: of the whole risk.
    learning_rates
        η of each run, ``(R,)``.
    batch_size
        b. Where it is n there is only one batch, and the change is exact.
    num_batches
        Each costs a batch's gradient and a pass over all examples; at least 2.
    seed
        Of the batches, which are the same for each run.

    Raises
    ------
    UserError
        If a number is out of range.
    """
    num_examples = risk.num_examples
    if not 1 <= batch_size <= num_examples:
        raise UserError(f"batch_size={batch_size} must be between 1 and the {num_examples} examples")
    refuse_few("num_batches", num_batches, 2)
    before, rates = risk.value(), learning_rates.double()
    if batch_size == num_examples:
        change = _moved(risk, gradient, learning_rates).value() - before
        return Estimate(change, torch.zeros_like(change))
    generator = torch.Generator().manual_seed(seed)
    beyond = []
    for _ in range(num_batches):
        chosen = torch.randperm(num_examples, generator=generator)[:batch_size].to(risk.examples.device)
        step = risk.on(risk.examples[chosen]).gradient()
        change = _moved(risk, step, learning_rates).value() - before
        beyond.append(change + rates * dot(gradient, step))
    each = torch.stack(beyond)
    first_order = -rates * dot(gradient, gradient)
    return Estimate(first_order + each.mean(dim=0), each.std(dim=0) / math.sqrt(num_batches))


def cosine(left: Tensor, right: Tensor) -> Tensor:
    """Return |cos| of the angle between two rows, whose signs mean nothing: ``(R, P)`` each → ``(R,)``."""
    return dot(left, right).abs() / (dot(left, left) * dot(right, right)).sqrt()


def _moved(risk: EmpiricalRisk, direction: Tensor, lengths: Tensor) -> EmpiricalRisk:
    """Return the risk at ω − length·direction."""
    rows = risk.point() - lengths.to(direction).unsqueeze(1) * direction
    return risk.at(shape_like(rows, risk.parameters))
