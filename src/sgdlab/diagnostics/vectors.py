"""Between the tensors of R runs, each ``(R, …)``, and one row of numbers a run: ``(R, P)``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Tensors = tuple[Tensor, ...]


def flatten(tensors: Sequence[Tensor]) -> Tensor:
    """Write the tensors of each run one after the other: each ``(R, …)`` → ``(R, P)``."""
    return torch.cat([tensor.flatten(1) for tensor in tensors], dim=1)


def shape_like(rows: Tensor, tensors: Sequence[Tensor]) -> Tensors:
    """Undo `flatten`: ``(R, P)`` → tensors shaped as these."""
    pieces = torch.split(rows, [tensor[0].numel() for tensor in tensors], dim=1)
    return tuple(piece.reshape(tensor.shape) for piece, tensor in zip(pieces, tensors, strict=True))


def dot(left: Tensor, right: Tensor) -> Tensor:
    """Return each run's inner product of two rows, summed in float64: ``(R, P)``, ``(R, P)`` → ``(R,)``."""
    return (left.double() * right.double()).sum(dim=1)


def rademacher(shape: tuple[int, ...], generator: torch.Generator, like: Tensor) -> Tensor:
    """Draw signs ±1, the same on every device, in the type of `like`."""
    return (2 * torch.randint(2, shape, generator=generator) - 1).to(like)
