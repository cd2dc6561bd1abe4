"""Largest eigenvalues of symmetric matrices that are known by products, with vectors and residuals.

Davidson's method: in the span of the vectors multiplied so far the eigenpairs are found exactly, and the
span grows by the residual of one of them, r = A u − θ u. By itself that is Lanczos' method with full
orthogonalisation and thick restarts. A *guide*, which is a set of roughly known eigenpairs (u_g, d_g), bends
the residual towards where the missing part lies: t = (θ − A_g)⁻¹ r with A_g = Σ_g d_g u_g u_gᵀ. Such a guide
is at hand: the pairs at the last point of a training run, or those over a sample of the examples
(`top_hessian_eigenpairs`). R matrices are treated side by side. As A is symmetric, an eigenvalue of it lies
within ‖A u − θ u‖ of θ.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sgdlab.diagnostics.curvature.products import SymmetricOperator
from sgdlab.diagnostics.vectors import rademacher
from sgdlab.errors import UserError

_CLOSEST = 0.02  # a guide's eigenvalue is taken to be at least this part of θ away from it


@dataclass(frozen=True)
class Eigenpairs:
    """The k algebraically largest eigenvalues of each matrix, in descending order."""

    values: Tensor  # (R, k) float64
    vectors: Tensor  # (R, k, P), of length 1
    residuals: Tensor  # (R, k) float64, ‖A u − θ u‖: an eigenvalue of A lies this close to θ
    has_converged: Tensor  # (R,) bool
    num_products: int  # that it took, with one vector a matrix


def top_eigenpairs(
    operator: SymmetricOperator,
    num_pairs: int = 1,
    *,
    tolerance: float = 1e-3,
    max_products: int = 300,
    guide: Eigenpairs | None = None,
    seed: int = 0,
) -> Eigenpairs:
    """Find the largest eigenvalues, in the algebraic sense.

    Parameters
    ----------
    operator
        R matrices of P×P.
    num_pairs
        k, at most P.
    tolerance
        Residuals are to become at most this part of the largest eigenvalue in magnitude that was met.
    max_products
        After these many the best pairs are returned, with their residuals.
    guide
        Roughly known eigenpairs, more than k. The first k+1 start the search: where the guide has two in the
        wrong order, the larger one is still found.
    seed
        Of random directions.

    Raises
    ------
    UserError
        If there are no such pairs; and as the products do.
    """
    size = operator.shape[1]
    if not 1 <= num_pairs <= size:
        raise UserError(f"num_pairs={num_pairs} must be between 1 and the {size} parameters")
    span = _Span(operator, num_pairs, torch.Generator().manual_seed(seed))
    starts = span.random() if guide is None else guide.vectors[:, : num_pairs + 1]
    for start in starts.unbind(1):
        span.extend(start)
    while True:
        found = span.solve(tolerance)
        if bool(found.has_converged.all()) or span.num_products >= max_products or span.is_everything:
            return found
        direction = span.residual_of_first(found.residuals > span.bound(tolerance))
        span.extend(direction if guide is None else _bent(direction, found.values[:, 0], guide))


class _Span:
    """An orthonormal basis of each run's span, its products, and what A is within."""

    def __init__(self, operator: SymmetricOperator, num_pairs: int, generator: torch.Generator) -> None:
        self._operator, self._generator, self._k = operator, generator, num_pairs
        num_runs, size = operator.shape
        self._capacity = min(size, 2 * num_pairs + 24)
        self._basis = operator.like.new_zeros(num_runs, self._capacity, size)
        self._products = torch.zeros_like(self._basis)
        self._within = torch.zeros(num_runs, self._capacity, self._capacity, dtype=torch.float64)
        self._dim = 0
        self._values: Tensor  # (R, dim), (R, dim, dim), (R, k, P): of the latest solution
        self._mixtures: Tensor
        self._residuals: Tensor
        self.num_products = 0

    @property
    def is_everything(self) -> bool:
        """Whether it is the whole space."""
        return self._dim == self._operator.shape[1]

    def random(self) -> Tensor:
        """Draw a direction, the same for each run: ``(R, 1, P)``."""
        num_runs, size = self._operator.shape
        return rademacher((1, 1, size), self._generator, self._operator.like).expand(num_runs, 1, size)

    def extend(self, direction: Tensor) -> None:
        """Add a direction ``(R, P)`` and its product; a run's that lies in the span already is replaced."""
        if self._dim == self._capacity:
            self._restart()
        vector = self._orthonormal(direction)
        lies_within = ~(vector.norm(dim=1) > 0.5)
        if bool(lies_within.any()):
            replacement = self._orthonormal(self.random()[:, 0])
            vector = torch.where(lies_within.unsqueeze(1), replacement, vector)
        self._basis[:, self._dim] = vector
        self._products[:, self._dim] = self._operator(vector)
        self.num_products += 1
        self._dim += 1
        column = self._basis[:, : self._dim] @ self._products[:, self._dim - 1].unsqueeze(2)
        entries = column.squeeze(2).double().cpu()
        self._within[:, : self._dim, self._dim - 1] = entries
        self._within[:, self._dim - 1, : self._dim] = entries

    def solve(self, tolerance: float) -> Eigenpairs:
        """Return the best pairs of the span."""
        self._values, self._mixtures = torch.linalg.eigh(self._within[:, : self._dim, : self._dim])
        k = min(self._k, self._dim)
        self._values, self._mixtures = self._values.flip(1), self._mixtures.flip(2)
        mixtures = self._mixtures[:, :, :k].to(self._basis).transpose(1, 2)
        vectors = mixtures @ self._basis[:, : self._dim]
        self._residuals = mixtures @ self._products[:, : self._dim]
        self._residuals -= self._values[:, :k].to(self._basis).unsqueeze(2) * vectors
        norms = self._residuals.double().norm(dim=2).cpu()
        is_small = (norms <= self.bound(tolerance)).all(dim=1) & (k == self._k)
        return Eigenpairs(self._values[:, :k], vectors, norms, is_small, self.num_products)

    def bound(self, tolerance: float) -> Tensor:
        """Return what a residual may be: ``(R, 1)``."""
        return self._values.abs().amax(dim=1, keepdim=True) * tolerance

    def residual_of_first(self, is_open: Tensor) -> Tensor:
        """Return the residual of each run's first open pair, of its last where none is: ``(R, P)``."""
        last = is_open.shape[1] - 1
        first = torch.where(is_open.any(dim=1), is_open.int().argmax(dim=1), last)
        return self._residuals[torch.arange(len(first)), first]

    def _orthonormal(self, direction: Tensor) -> Tensor:
        """Return what of a direction lies outside, of length 1; 0 where next to nothing does."""
        vector, basis = F.normalize(direction), self._basis[:, : self._dim]
        for _ in range(2):  # once leaves rounding errors of the size of what was taken away
            vector = vector - ((basis @ vector.unsqueeze(2)).transpose(1, 2) @ basis).squeeze(1)
            is_left = vector.norm(dim=1, keepdim=True) > 1e-3
            vector = F.normalize(torch.where(is_left, vector, 0))
        return vector

    def _restart(self) -> None:
        """Keep the better half of the span."""
        kept = self._k + (self._capacity - self._k) // 2
        mixtures = self._mixtures[:, :, :kept].to(self._basis).transpose(1, 2)
        self._basis[:, :kept] = mixtures @ self._basis
        self._products[:, :kept] = mixtures @ self._products
        self._within.zero_()
        self._within[:, :kept, :kept] = torch.diag_embed(self._values[:, :kept])
        self._dim = kept


def _bent(residual: Tensor, values: Tensor, guide: Eigenpairs) -> Tensor:
    """Return θ·(θ − A_g)⁻¹ r; where the guide's eigenvalue is too close to θ, as if it were not."""
    distance = values.unsqueeze(1) - guide.values
    closest = _CLOSEST * values.abs().unsqueeze(1)
    distance = torch.where(distance.abs() < closest, closest, distance)
    factors = (values.unsqueeze(1) / distance - 1).to(residual)
    parts = (guide.vectors @ residual.unsqueeze(2)).squeeze(2)
    return residual + ((factors * parts).unsqueeze(1) @ guide.vectors).squeeze(1)
