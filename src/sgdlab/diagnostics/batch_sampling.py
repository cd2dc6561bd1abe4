"""The share of the examples' scatter that a batch of b of n has: Var g_b = γ/b·Var g_1 (lssr2022, eq. 1)."""

from __future__ import annotations

from typing import Literal

from sgdlab.errors import UserError

Sampling = Literal["without replacement", "with replacement"]


def noise_factor(num_examples: int, batch_size: int, sampling: Sampling = "without replacement") -> float:
    """Return γ/b: γ = (n−b)/(n−1) where no example comes twice in a batch, and 1 where it may.

    Raises
    ------
    UserError
        If there is no such batch.
    """
    if sampling == "with replacement":
        if batch_size < 1:
            raise UserError(f"batch_size={batch_size} must be at least 1")
        return 1 / batch_size
    if not 1 <= batch_size <= num_examples:
        raise UserError(f"batch_size={batch_size} must be between 1 and the {num_examples} examples")
    return (num_examples - batch_size) / max(num_examples - 1, 1) / batch_size
