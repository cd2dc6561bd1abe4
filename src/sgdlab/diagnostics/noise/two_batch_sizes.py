"""‖∇C‖² and Γ from gradients at two batch sizes, without any example's own.

E‖g_b‖² = ‖∇C‖² + γ/b·Γ at both sizes: two equations (McCandlish et al. 2018, appendix A.1). The large batch
is made of k small ones, and its gradient is the mean of theirs: no example is taken twice, and the difference
of the two squared norms is the spread of the small ones about their mean, 1/k·Σ_j ‖g_j − ḡ‖², summed as such.
Each group of k gives an unbiased pair of numbers; several groups give their mean, and its standard error.
Memory: two gradients.

`moments_of_batch_gradients` takes nothing but batch gradients: of accumulated micro-batches, of the shards of
a batch, or of updates that follow each other, where the parameters' drift counts as noise, and is small where
learning rate times curvature times k is. Batches that fall on one epoch aren't independent; the standard
error then is a little too large, and right for micro-batches drawn anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import torch
from torch import Tensor

from sgdlab.diagnostics.estimate import refuse_few
from sgdlab.diagnostics.noise.moments import GradientMoments
from sgdlab.diagnostics.noise.sampling import Sampling, draw, noise_share
from sgdlab.diagnostics.risk import EmpiricalRisk, refuse_not_finite
from sgdlab.diagnostics.vectors import dot
from sgdlab.errors import UserError


def moments_of_batch_gradients(
    gradients: Iterable[Tensor],
    batch_size: int,
    batches_per_group: int,
    *,
    num_examples: int | None = None,
    sampling: Sampling = "without",
) -> GradientMoments:
    """Estimate from gradients of batches, in the order in which they come.

    Parameters
    ----------
    gradients
        ``(R, P)`` each, of batches of one size; what is left over from full groups isn't used.
    batch_size
        B, of each.
    batches_per_group
        k, at least 2: the large batch has k·B examples.
    num_examples
        n, of the set that the batches are drawn from; None where it has no end, as with augmentation.
    sampling
        Whether the k batches of a group have an example at most once among them.

    Raises
    ------
    UserError
        If there are fewer than two groups, or k·B is larger than the set.
    NotFiniteError
        If a gradient isn't finite.
    """
    refuse_few("batches_per_group", batches_per_group, 2)
    small = noise_share(batch_size, num_examples, sampling)
    large = noise_share(batches_per_group * batch_size, num_examples, sampling)
    pairs = []
    for norm_sq, spread in _groups(iter(gradients), batches_per_group):
        noise = spread / (small - large)
        pairs.append(torch.stack([norm_sq - large * noise, noise], dim=1))
    refuse_few("groups of batches", len(pairs), 2)
    values = torch.stack(pairs)
    deviations = (values - values.mean(dim=0)).permute(1, 2, 0)
    covariance = deviations @ deviations.transpose(1, 2) / (len(pairs) * (len(pairs) - 1))
    return GradientMoments(num_examples, refuse_not_finite(values.mean(dim=0), "‖∇C‖² or Γ"), covariance)


def moments_by_two_batch_sizes(
    risk: EmpiricalRisk, small: int, large: int, num_repeats: int, *, seed: int = 0
) -> GradientMoments:
    """Estimate from batches drawn for it. Cost: gradients over num_repeats·large examples.

    Parameters
    ----------
    risk
        Over n examples.
    small, large
        The batch sizes; the large one is a multiple of the small one.
    num_repeats
        Large batches, at least 2, each drawn by itself.
    seed
        Of the batches, which are the same for each run.

    Raises
    ------
    UserError, NotFiniteError
        If the sizes don't fit; and as `moments_of_batch_gradients` does.
    """
    noise_share(small, risk.num_examples, "without")
    if large % small or large == small:
        raise UserError(f"large={large} must be a multiple of small={small}, and larger")
    generator = torch.Generator().manual_seed(seed)
    gradients = (
        risk.on(batch).gradient()
        for _ in range(num_repeats)
        for batch in torch.split(draw(risk, large, generator), small)
    )
    return moments_of_batch_gradients(gradients, small, large // small, num_examples=risk.num_examples)


def _groups(gradients: Iterator[Tensor], size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield ‖ḡ‖² and 1/k·Σ_j ‖g_j − ḡ‖² of each full group, ``(R,)`` each, by Welford's update."""
    while (first := next(gradients, None)) is not None:
        mean, spread, count = first.double(), dot(first, first) * 0, 1
        for count, gradient in enumerate(islice(gradients, size - 1), start=2):
            step = gradient.double() - mean
            mean = mean + step / count
            spread = spread + dot(step, gradient - mean)
        if count == size:
            yield dot(mean, mean), spread / size
