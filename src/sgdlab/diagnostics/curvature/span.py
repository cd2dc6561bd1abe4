"""The span of a few vectors that a symmetric matrix was multiplied with, and what the matrix is within it.

An orthonormal basis V of each run's span, its products A V, and VᵀA V, by which everything is known that the
span can say. Memory: twice `capacity` rows of P numbers a run.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sgdlab.diagnostics.operators import SymmetricOperator
from sgdlab.diagnostics.vectors import dot, dots, rademacher, unit


class Span:
    """Of R matrices side by side; a run's basis has as many vectors as every other's."""

    def __init__(self, operator: SymmetricOperator, capacity: int, generator: torch.Generator) -> None:
        num_runs, size = operator.shape
        self._operator, self._generator = operator, generator
        self._basis = operator.like.new_zeros(num_runs, min(capacity, size), size)
        self._products = torch.zeros_like(self._basis)
        self._within = torch.zeros(num_runs, *2 * self._basis.shape[1:2], dtype=torch.float64)
        self._dim = 0
        self.num_products = 0  # with one vector a run

    @property
    def basis(self) -> Tensor:
        """V, (R, dim, P)."""
        return self._basis[:, : self._dim]

    @property
    def products(self) -> Tensor:
        """A V, (R, dim, P)."""
        return self._products[:, : self._dim]

    @property
    def within(self) -> Tensor:
        """VᵀA V, (R, dim, dim) float64, on the CPU."""
        return self._within[:, : self._dim, : self._dim]

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another vector."""
        return self._dim == self._basis.shape[1]

    @property
    def is_everything(self) -> bool:
        """Whether it is the whole space."""
        return self._dim == self._operator.shape[1]

    def random(self) -> Tensor:
        """Draw a direction, the same for each run: ``(R, P)``."""
        num_runs, size = self._operator.shape
        return rademacher((1, size), self._generator, self._operator.like).expand(num_runs, size)

    def extend(self, direction: Tensor) -> None:
        """Add a direction ``(R, P)`` and its product; a run's that lies in the span already is replaced."""
        vector = self._orthonormal(direction)
        lies_within = dot(vector, vector) < 0.5
        if bool(lies_within.any()):
            vector = torch.where(lies_within.unsqueeze(1), self._orthonormal(self.random()), vector)
        self._basis[:, self._dim] = vector
        self._products[:, self._dim] = self._operator(vector)
        self.num_products += 1
        self._dim += 1
        entries = dots(self.basis, self.products[:, -1]).cpu()
        self._within[:, : self._dim, self._dim - 1] = entries
        self._within[:, self._dim - 1, : self._dim] = entries

    def keep(self, mixtures: Tensor, values: Tensor) -> None:
        """Keep only some eigenvectors of `within`, ``(R, dim, k)`` with their values ``(R, k)``."""
        kept, chosen = mixtures.shape[2], mixtures.to(self._basis).transpose(1, 2)
        self._basis[:, :kept] = chosen @ self.basis
        self._products[:, :kept] = chosen @ self.products
        self._within.zero_()
        self._within[:, :kept, :kept] = torch.diag_embed(values)
        self._dim = kept

    def _orthonormal(self, direction: Tensor) -> Tensor:
        """Return what of a direction lies outside, of length 1; 0 where nothing does."""
        vector = unit(direction)
        for _ in range(2):  # the first leaves rounding errors of the size of what it takes away
            inside = dots(self.basis, vector).to(vector).unsqueeze(1) @ self.basis
            vector = vector - inside.squeeze(1)
            is_left = dot(vector, vector).sqrt() > 0.5
            vector = unit(vector)
        return torch.where(is_left.unsqueeze(1), vector, 0)
