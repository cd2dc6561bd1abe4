"""A guide for the search of eigenpairs, from a sample of the examples.

The large eigenvalues of a risk's Hessian are much the same over a part of the examples, and there a product
costs that part of its price. With the sample's eigenpairs for a guide, `top_eigenpairs` needs fewer products
over all examples: about half as many where the eigenvalues lie close together.
"""

from __future__ import annotations

import math

import torch

from sgdlab.diagnostics.curvature.eigenpairs import Eigenpairs, top_eigenpairs
from sgdlab.diagnostics.curvature.products import HessianProduct

_MORE_PAIRS = 7  # than are wanted: the others say which directions are steep, too
_TOLERANCE = 0.05  # the sample's own error is larger
_MAX_PRODUCTS = 25


def guide_from_sample(
    product: HessianProduct, num_pairs: int = 1, *, share: float = 1 / 16, seed: int = 0
) -> Eigenpairs:
    """Return roughly known eigenpairs of H, more than `num_pairs`.

    Parameters
    ----------
    product
        H, over all examples.
    num_pairs
        How many are to be found with the guide.
    share
        Of the examples that are sampled.
    seed
        Of the sample, which is the same for each run, and of the search's start.

    Raises
    ------
    UserError
        As `top_eigenpairs` does.
    """
    examples = product.risk.examples
    shuffled = torch.randperm(len(examples), generator=torch.Generator().manual_seed(seed))
    sample = examples[shuffled[: math.ceil(share * len(examples))].to(examples.device)]
    return top_eigenpairs(
        HessianProduct(product.risk.on(sample)),
        min(num_pairs + _MORE_PAIRS, product.shape[1]),
        tolerance=_TOLERANCE,
        max_products=_MAX_PRODUCTS,
        seed=seed,
    )
