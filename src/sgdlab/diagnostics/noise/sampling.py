"""How a minibatch is drawn, and what that does to the noise of its gradient (lssr2022, eq. 1).

A batch of b of n examples has the gradient covariance C_b = γ/b·Σ, Σ that of one example's gradient:
γ = (n−b)/(n−1) where the b examples differ ("without" replacement), γ = 1 where each is drawn by itself
("with").
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from sgdlab.diagnostics.risk import EmpiricalRisk
from sgdlab.errors import UserError

Sampling = Literal["without", "with"]


def noise_share(batch_size: int, num_examples: int | None, sampling: Sampling) -> float:
    """Return γ/b, the share of Σ that is left in the gradient of a batch.

    Parameters
    ----------
    batch_size
        b.
    num_examples
        n; None where there is no end of examples, as with augmentation.
    sampling
        Whether a batch has an example at most once.

    Raises
    ------
    UserError
        If there is no such batch.
    """
    if batch_size < 1:
        raise UserError(f"batch_size={batch_size} must be at least 1")
    if sampling == "with" or num_examples is None:
        return 1 / batch_size
    if batch_size > num_examples:
        raise UserError(f"batch_size={batch_size} must be at most the {num_examples} examples")
    if batch_size == num_examples:
        return 0.0
    return (num_examples - batch_size) / (num_examples - 1) / batch_size


def draw(risk: EmpiricalRisk, num_drawn: int, generator: torch.Generator) -> Tensor:
    """Draw examples of a risk without replacement: ``(num_drawn,)``."""
    drawn = torch.randperm(risk.num_examples, generator=generator)[:num_drawn]
    return risk.examples[drawn.to(risk.examples.device)]
