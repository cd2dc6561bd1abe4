"""Covariance and second moment of the gradient of a batch, as matrices known by their products.

With Σ the covariance of one example's gradient and G = ∇C, C_b = γ/b·Σ and S_b = C_b + G Gᵀ (lssr2022,
eq. 1); C_1 = Σ (roberts2018). A product is a weighted gradient, S_b v = 1/n·Σ_i w_i g_i with
w_i = γ/b·(g_i·v − G·v) + G·v: forward mode for the projections, then one backward pass. Cost: about 2
gradients. No example's gradient is ever written, and as the projections are centred before they are used,
nothing is lost where G is large.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from sgdlab.diagnostics.noise.per_example import projections
from sgdlab.diagnostics.noise.sampling import Sampling, noise_share
from sgdlab.diagnostics.operators import OfRisk
from sgdlab.diagnostics.risk import EmpiricalRisk


@dataclass(frozen=True)
class GradientMomentProduct(OfRisk):
    """(c·Σ + m·G Gᵀ) v; `gradient_covariance` and `gradient_second_moment` say which c and m."""

    of_covariance: float  # c
    of_mean: float  # m

    def __call__(self, vectors: Tensor) -> Tensor:
        """Multiply over all examples: ``(R, P)`` → ``(R, P)``.

        Raises
        ------
        UserError, NotFiniteError
            As `projections` does.
        """
        along = projections(self.risk, vectors)
        mean = along.mean(dim=1, keepdim=True)
        weights = (self.of_covariance * (along - mean) + self.of_mean * mean) / self.risk.num_examples
        return self.risk.weighted_gradient(weights.to(self.like))


def gradient_covariance(
    risk: EmpiricalRisk, batch_size: int = 1, sampling: Sampling = "without"
) -> GradientMomentProduct:
    """Return C_b, by default Σ.

    Raises
    ------
    UserError
        If there is no such batch.
    """
    return GradientMomentProduct(risk, noise_share(batch_size, risk.num_examples, sampling), 0)


def gradient_second_moment(
    risk: EmpiricalRisk, batch_size: int = 1, sampling: Sampling = "without"
) -> GradientMomentProduct:
    """Return S_b, by default S_1 = 1/n·Σ_i g_i g_iᵀ.

    Raises
    ------
    UserError
        If there is no such batch.
    """
    return GradientMomentProduct(risk, noise_share(batch_size, risk.num_examples, sampling), 1)
