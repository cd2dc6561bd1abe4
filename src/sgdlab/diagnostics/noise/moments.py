"""The gradient's first two moments: from one measurement, the noise at every batch size.

With G = ∇C the mean of n per-example gradients g_i, and Γ = 1/n·Σ_i ‖g_i − G‖² (the trace of their covariance
Σ), all of this is linear in ‖G‖² and Γ, or a ratio of such:

    tr S_n = ‖G‖²    tr C_b = γ/b·Γ    tr S_b = ‖G‖² + tr C_b    ρ_b = tr S_n / tr S_b   (lssr2022, eq. 1, 12)
    C_reg(B), averaged over all partitions = ¼‖G‖² + (n−B)/(n−1)·Γ/(4B)                  (smith2021, eq. 22)

Over the full set both are exact. Over a sample of s of the n examples, drawn without replacement, with its
mean gradient ḡ and S² = 1/(s−1)·Σ_i ‖g_i − ḡ‖², both are unbiased:

    ‖G‖² ≈ ‖ḡ‖² − (1/s − 1/n)·S²      Γ ≈ (1 − 1/n)·S²

The first is the U-statistic U = (‖Σg‖² − Σ‖g‖²)/(s(s−1)) = ‖ḡ‖² − S²/s and its correction S²/n for a finite
set. Standard errors are the delete-one jackknife's, in closed form from ‖g_i − ḡ‖² and (g_i − ḡ)·ḡ, times
√(1 − s/n). That is right to first order. Where ‖G‖² is lost in the noise, ‖G‖² ≪ Γ/s, U's variance is that of
its second-order part, which a jackknife counts twice: there the standard error of ‖G‖² is about √2 too large
(measured 1.4, and 1.5 for a sample of 20).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sgdlab.diagnostics.estimate import Estimate, jackknife_covariance, refuse_few
from sgdlab.diagnostics.noise.per_example import projections, squared_norms
from sgdlab.diagnostics.noise.sampling import Sampling, draw, noise_share
from sgdlab.diagnostics.risk import EmpiricalRisk, refuse_not_finite
from sgdlab.diagnostics.vectors import dot
from sgdlab.errors import UserError


@dataclass(frozen=True)
class GradientMoments:
    """‖∇C‖² and Γ of each run, and what follows from them."""

    num_examples: int | None  # n; None where there is no end of them
    values: Tensor  # (R, 2) float64: ‖∇C‖² and Γ; where the gradient is small its estimate may be negative
    covariance: Tensor  # (R, 2, 2) float64, of the estimates' errors; 0 where nothing was sampled

    @property
    def gradient_norm_sq(self) -> Estimate:
        """‖∇C‖² = tr S_n."""
        return self._combined(1, 0)

    @property
    def noise_trace(self) -> Estimate:
        """Γ = tr Σ = tr C_1, of one example's gradient."""
        return self._combined(0, 1)

    @property
    def noise_scale(self) -> Estimate:
        """Γ/‖∇C‖², the batch size at which noise and gradient are equally long; not unbiased."""
        return self._ratio((0, 1), (1, 0))

    def second_moment_trace(self, batch_size: int, sampling: Sampling = "without") -> Estimate:
        """Return tr S_b = E‖g_b‖²."""
        return self._combined(1, noise_share(batch_size, self.num_examples, sampling))

    def covariance_trace(self, batch_size: int, sampling: Sampling = "without") -> Estimate:
        """Return tr C_b = E‖g_b − ∇C‖²."""
        return self._combined(0, noise_share(batch_size, self.num_examples, sampling))

    def concentration(self, batch_size: int, sampling: Sampling = "without") -> Estimate:
        """Return ρ_b = tr S_n / tr S_b; not a number where every gradient is 0; not unbiased."""
        return self._ratio((1, 0), (1, noise_share(batch_size, self.num_examples, sampling)))

    def implicit_regularizer(self, batch_size: int) -> Estimate:
        """Return the mean of C_reg over all partitions into batches of B, which is ¼·tr S_B."""
        return self._combined(1 / 4, noise_share(batch_size, self.num_examples, "without") / 4)

    def _combined(self, *weights: float) -> Estimate:
        w = self.values.new_tensor(weights)
        return Estimate(self.values @ w, (self.covariance @ w @ w).clamp(min=0).sqrt())

    def _ratio(self, above: tuple[float, float], below: tuple[float, float]) -> Estimate:
        """By the delta method."""
        denominator = self.values @ self.values.new_tensor(below)
        ratio = (self.values @ self.values.new_tensor(above)) / denominator
        slope = self.values.new_tensor(above) - ratio.unsqueeze(1) * self.values.new_tensor(below)
        slope = slope / denominator.unsqueeze(1)
        variance = torch.einsum("ri,rij,rj->r", slope, self.covariance, slope)
        return Estimate(ratio, variance.clamp(min=0).sqrt())


def gradient_moments(risk: EmpiricalRisk, *, gradients_at_once: int | None = None) -> GradientMoments:
    """Measure over all examples, exactly. Cost: a gradient and `squared_norms`.

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
    mean = risk.gradient()
    distances = squared_norms(risk, centre=mean, gradients_at_once=gradients_at_once)
    values = torch.stack([dot(mean, mean), distances.mean(dim=1)], dim=1)
    return GradientMoments(risk.num_examples, values, values.new_zeros(*values.shape, 2))


def sampled_gradient_moments(
    risk: EmpiricalRisk, num_sampled: int, *, seed: int = 0, gradients_at_once: int | None = None
) -> GradientMoments:
    """Estimate from some of the examples. Cost: two gradients and `squared_norms`, over the sample.

    Parameters
    ----------
    risk
        Over n examples.
    num_sampled
        s, from 3 to n.
    seed
        Of the sample, which is the same for each run.
    gradients_at_once
        As of `squared_norms`.

    Raises
    ------
    UserError, NotFiniteError
        If s is out of range; and as `squared_norms` and `projections` do.
    """
    refuse_few("num_sampled", num_sampled, 3)
    n, s = risk.num_examples, num_sampled
    if s > n:
        raise UserError(f"num_sampled={s} must be at most the {n} examples")
    sample = risk.on(draw(risk, s, torch.Generator().manual_seed(seed)))
    mean = sample.gradient()
    distances = squared_norms(sample, centre=mean, gradients_at_once=gradients_at_once)
    along = projections(sample, mean)
    spread = distances.sum(dim=1) / (s - 1)
    values = torch.stack([dot(mean, mean) - (1 / s - 1 / n) * spread, (1 - 1 / n) * spread], dim=1)
    deviations = _deviations(distances, along - along.mean(dim=1, keepdim=True), n)
    covariance = (1 - s / n) * jackknife_covariance(deviations)
    return GradientMoments(n, refuse_not_finite(values, "‖∇C‖² or Γ"), covariance)


def _deviations(distances: Tensor, along: Tensor, num_examples: int) -> Tensor:
    """Return what the two estimates lose when an example is left out: ``(R, s)``, ``(R, s)`` → ``(R, 2, s)``.

    With q_i = ‖g_i − ḡ‖², c_i = (g_i − ḡ)·ḡ, and h_i the mean of g_i·g_j over the other j, whose mean is U:
    U − U(i) = 2(h_i − U)/(s−2), and S²(i) is the variance of the others.
    """
    s, n = distances.shape[1], num_examples
    excess = distances - distances.mean(dim=1, keepdim=True)
    of_u = 2 / (s - 1) * (along - excess / (s - 2))
    of_spread = s / ((s - 1) * (s - 2)) * excess
    return torch.stack([of_u + of_spread / n, (1 - 1 / n) * of_spread], dim=1)
