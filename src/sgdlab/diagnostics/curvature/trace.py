"""Trace of a risk's curvature, unbiased, with its standard error.

Hutchinson's identity: E vᵀAv = tr A for signs v = ±1. The matrix is a mean over groups of examples,
A = 1/N·Σ_j A_j, so each group can have *signs of its own*: 1/N·Σ_j v_jᵀ A_j v_j. Its mean is tr A as well,
and it costs what one product over all examples does; but its variance, 1/N²·Σ_j 2‖A_j‖²_off (squared entries
off the diagonal), is that of about as many independent probes of A as there are groups, where the groups'
matrices are alike. Small groups are better, until a batch so small wastes time. The standard error comes from
how each group's value differs between passes, so it knows nothing of how the groups differ.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sgdlab.diagnostics.curvature.products import GaussNewtonProduct, HessianProduct
from sgdlab.diagnostics.estimate import Estimate, refuse_few
from sgdlab.diagnostics.risk import refuse_not_finite
from sgdlab.diagnostics.vectors import dot, rademacher
from sgdlab.errors import UserError


def trace(
    product: HessianProduct | GaussNewtonProduct,
    *,
    num_passes: int = 2,
    examples_per_probe: int = 32,
    seed: int = 0,
) -> Estimate:
    """Estimate tr H or tr G.

    Parameters
    ----------
    product
        Of the risk.
    num_passes
        Over all examples, each at the cost of one product; at least 2. The variance falls as their inverse.
    examples_per_probe
        Size of the groups.
    seed
        Of the signs, which are the same for each run.

    Raises
    ------
    UserError
        If a number is out of range; and as the products do.
    """
    refuse_few("num_passes", num_passes, 2)
    if examples_per_probe < 1:
        raise UserError(f"examples_per_probe={examples_per_probe} must be at least 1")
    risk, generator = product.risk, torch.Generator().manual_seed(seed)
    groups = torch.split(risk.examples, examples_per_probe)
    means, within = [], []
    for group in groups:
        values = torch.stack([_probe(product, group, generator) for _ in range(num_passes)])
        means.append(values.mean(dim=0))
        within.append(values.var(dim=0) / num_passes)
    value = torch.stack(means).sum(dim=0) / risk.num_examples
    if risk.l2 is not None:
        value = value + risk.num_parameters * risk.l2.double()
    standard_error = torch.stack(within).sum(dim=0).sqrt() / risk.num_examples
    refuse_not_finite(value.unsqueeze(1), "the trace")
    return Estimate(value, standard_error)


def _probe(product: HessianProduct | GaussNewtonProduct, group: Tensor, generator: torch.Generator) -> Tensor:
    """Return vᵀ A_j v of each run: ``(R,)``."""
    signs = rademacher((1, product.shape[1]), generator, product.like).expand(product.shape)
    chunks = torch.split(group, product.risk.chunk_size)
    return torch.stack([dot(signs, product.of_chunk(signs, chunk)) for chunk in chunks]).sum(dim=0)
