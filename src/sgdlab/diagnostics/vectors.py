"""Between the tensors of R runs, each ``(R, …)``, and one row of numbers a run: ``(R, P)``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Tensors = tuple[Tensor, ...]

_COLUMNS = 2**16  # bounds the memory of a float64 copy


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


def dots(rows: Tensor, vector: Tensor) -> Tensor:
    """Return each run's inner products of several rows and one, as `dot`: ``(R, K, P)`` → ``(R, K)``."""
    pieces = zip(torch.split(rows, _COLUMNS, dim=2), torch.split(vector, _COLUMNS, dim=1), strict=True)
    total = torch.zeros(rows.shape[:2], dtype=torch.float64, device=rows.device)
    for of_rows, of_vector in pieces:  # float64 copies of a piece at a time
        total += (of_rows.double() @ of_vector.double().unsqueeze(2)).squeeze(2)
    return total


def unit(rows: Tensor) -> Tensor:
    """Return rows ``(R, P)`` of length 1; a row of zeros stays so.

    The length is summed in float64: over millions of numbers `torch.norm` is off by a thousandth in float32.
    """
    length = dot(rows, rows).sqrt().unsqueeze(1)
    return torch.where(length > 0, rows / length.to(rows), 0)


def rademacher(shape: tuple[int, ...], generator: torch.Generator, like: Tensor) -> Tensor:
    """Draw signs ±1, the same on every device, in the type of `like`."""
    return (2 * torch.randint(2, shape, generator=generator) - 1).to(like)
