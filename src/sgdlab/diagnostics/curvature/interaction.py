"""How SGD's gradients meet the curvature: tr(H S_b) for every batch size b, with the Hessian of all examples.

S_b = E g_b g_bᵀ, the second moment of a batch's gradient (lssr2022, §2). With γ = (n−b)/(n−1) for batches
without replacement and 1 with,

    tr(H S_b) = γ/b·tr(H S_1) + (1 − γ/b)·∇Cᵀ H ∇C        (from its eq. 1)

so one measurement gives every b. ∇CᵀH∇C takes one product. tr(H S_1) = 1/n·Σ_i g_iᵀHg_i is estimated
without any g_i: for random signs s_i the vector v = Σ_i s_i g_i/√n, one weighted gradient, has
E vᵀHv = tr(H S_1). One such probe would scatter by its own size; but both the sum over i and the mean over
examples within H fall into groups. So partial sums u_m over groups of examples are kept, and each group of
H's examples is given signs of its own to join them, v_j = Σ_m σ_jm u_m/√n: as many probes as there are groups
for the price of one.
Published code often takes the curvature of the minibatch itself, which is another quantity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sgdlab.diagnostics.curvature.products import HessianProduct
from sgdlab.diagnostics.estimate import Estimate, refuse_few
from sgdlab.diagnostics.noise.sampling import Sampling, noise_share
from sgdlab.diagnostics.vectors import dot, rademacher
from sgdlab.errors import UserError


@dataclass(frozen=True)
class Interaction:
    """Of each run; `num_examples` is n."""

    of_mean: Tensor  # (R,) float64, ∇Cᵀ H ∇C = tr(H S_n)
    of_examples: Estimate  # tr(H S_1)
    num_examples: int

    def with_batches(self, batch_size: int, sampling: Sampling = "without") -> Estimate:
        """Return tr(H S_b).

        Raises
        ------
        UserError
            If there is no such batch.
        """
        share = noise_share(batch_size, self.num_examples, sampling)
        value = share * self.of_examples.value + (1 - share) * self.of_mean
        return Estimate(value, share * self.of_examples.standard_error)


def interaction(
    product: HessianProduct, *, num_passes: int = 4, num_groups: int = 16, seed: int = 0
) -> Interaction:
    """Estimate how gradients and curvature meet: one gradient and product beside `interaction_of_examples`.

    Raises
    ------
    UserError
        If a number is out of range; and as the products do.
    """
    of_examples = interaction_of_examples(product, num_passes=num_passes, num_groups=num_groups, seed=seed)
    gradient = product.risk.gradient()
    return Interaction(dot(gradient, product(gradient)), of_examples, product.risk.num_examples)


def interaction_of_examples(
    product: HessianProduct, *, num_passes: int = 4, num_groups: int = 16, seed: int = 0
) -> Estimate:
    """Estimate tr(H S_1).

    Parameters
    ----------
    product
        H, of the risk whose gradients are meant.
    num_passes
        At least 2. Each costs one weighted gradient and one product; their spread is the standard error.
    num_groups
        Of examples. Memory grows by as many rows of P numbers a run; the variance falls as their inverse.
    seed
        Of the signs, which are the same for each run.

    Raises
    ------
    UserError
        If a number is out of range; and as the products do.
    """
    refuse_few("num_passes", num_passes, 2)
    if num_groups < 1:
        raise UserError(f"num_groups={num_groups} must be at least 1")
    risk, generator = product.risk, torch.Generator().manual_seed(seed)
    groups = torch.tensor_split(risk.examples, min(num_groups, risk.num_examples))
    passes = torch.stack([_pass(product, groups, generator) for _ in range(num_passes)])
    return Estimate(passes.mean(dim=0), passes.std(dim=0) / math.sqrt(num_passes))


def exact_interaction(product: HessianProduct) -> Interaction:
    """Compute the same example by example, without error: n gradients and n products, for small problems."""
    risk = product.risk
    gradients = [risk.on(example).gradient() for example in torch.split(risk.examples, 1)]
    each = torch.stack([dot(gradient, product(gradient)) for gradient in gradients])
    mean = risk.gradient()
    of_mean = dot(mean, product(mean))
    return Interaction(of_mean, Estimate(each.mean(dim=0), torch.zeros_like(of_mean)), risk.num_examples)


def _pass(product: HessianProduct, groups: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
    """Return one estimate of tr(H S_1) of each run, from signs of its own: ``(R,)``."""
    risk, like = product.risk, product.like
    sums = []
    for group in groups:
        signs = rademacher((1, len(group)), generator, like).expand(risk.num_runs, -1)
        sums.append(risk.on(group).weighted_gradient(signs))
    partial_sums = torch.stack(sums) / math.sqrt(risk.num_examples)  # (M, R, P)
    total = torch.zeros(risk.num_runs, dtype=torch.float64, device=like.device)
    for group in groups:
        joined = torch.einsum("m,mrp->rp", rademacher((len(groups),), generator, like), partial_sums)
        total += len(group) / risk.num_examples * dot(joined, product.over(group, joined))
    return total
