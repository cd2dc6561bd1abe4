"""Mean resultant length of batch gradients: R̄_b = ‖E[g_b/‖g_b‖]‖ (lssr2022, section 5.1).

1 where all point one way, 0 where their directions cancel. For b = 1 it is exact over the full set: norms
first, then one gradient in which each example is weighted by 1/‖g_i‖. For b > 1 there are too many batches; m
are drawn, independently of each other as the expectation wants it, and with their directions u_k
R̄² ≈ (‖Σ_k u_k‖² − m)/(m(m−1)) is unbiased; over disjoint batches of a finite set it would be too small. Its
standard error is the jackknife's, right to first order; where R̄² ≪ 1/m it is up to about √2 too large.
A gradient of exactly 0 has no direction, and counts as 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sgdlab.diagnostics.estimate import jackknife_covariance, refuse_few
from sgdlab.diagnostics.noise.per_example import projections, squared_norms
from sgdlab.diagnostics.noise.sampling import draw, noise_share
from sgdlab.diagnostics.risk import EmpiricalRisk
from sgdlab.diagnostics.vectors import dot


@dataclass(frozen=True)
class ResultantLength:
    """R̄_b of each run, by its square, which is what has an unbiased estimate."""

    squared: Tensor  # (R,) float64, R̄²; near 0 its estimate may be negative
    squared_standard_error: Tensor  # (R,) float64, 0 where nothing was sampled

    @property
    def length(self) -> Tensor:
        """R̄, ``(R,)``; 0 where the estimate of its square is negative."""
        return self.squared.clamp(min=0).sqrt()


def resultant_length(risk: EmpiricalRisk, *, gradients_at_once: int | None = None) -> ResultantLength:
    """Measure R̄_1 over all examples, exactly. Cost: a gradient and `squared_norms`.

    Parameters
    ----------
    risk
        Over n examples.
    gradients_at_once
        As of `squared_norms`.

    Raises
    ------
    UserError, NotFiniteError
        As `squared_norms` does.
    """
    norms = squared_norms(risk, gradients_at_once=gradients_at_once).sqrt()
    weights = _inverse(norms) / risk.num_examples
    mean = risk.weighted_gradient(weights.to(risk.parameters[0]))
    squared = dot(mean, mean)
    return ResultantLength(squared, torch.zeros_like(squared))


def sampled_resultant_length(
    risk: EmpiricalRisk, batch_size: int, num_batches: int, *, seed: int = 0
) -> ResultantLength:
    """Estimate R̄_b. Cost: two gradients of each batch; memory: a few gradients, however many batches.

    Parameters
    ----------
    risk
        Over n examples.
    batch_size
        b, at most n; a batch has an example at most once.
    num_batches
        m, at least 3, each drawn by itself.
    seed
        Of the batches, which are the same for each run.

    Raises
    ------
    UserError, NotFiniteError
        If a number is out of range; and as `projections` does.
    """
    noise_share(batch_size, risk.num_examples, "without")
    refuse_few("num_batches", num_batches, 3)
    m, generator = num_batches, torch.Generator().manual_seed(seed)
    batches = [risk.on(draw(risk, batch_size, generator)) for _ in range(m)]
    total = torch.zeros_like(risk.point(), dtype=torch.float64)
    lengths = []
    for batch in batches:
        gradient = batch.gradient().double()
        lengths.append(gradient.norm(dim=1))
        total += _inverse(lengths[-1]).unsqueeze(1) * gradient
    direction = total.to(risk.point())
    along = torch.stack([projections(batch, direction).mean(dim=1) for batch in batches], dim=1)
    inverse = _inverse(torch.stack(lengths, dim=1))  # (R, m)
    is_unit = (inverse > 0).double()
    squared = (dot(total, total) - is_unit.sum(dim=1)) / (m * (m - 1))
    mean_of_others = (inverse * along - is_unit) / (m - 1)  # of u_k·u_l over the other l
    deviations = 2 / (m - 2) * (mean_of_others - mean_of_others.mean(dim=1, keepdim=True))
    variance = jackknife_covariance(deviations.unsqueeze(1))[:, 0, 0]
    return ResultantLength(squared, variance.sqrt())


def _inverse(lengths: Tensor) -> Tensor:
    """Return 1/length, and 0 where it is 0."""
    return torch.where(lengths > 0, 1 / lengths, 0)
