"""Largest eigenvalues of symmetric matrices that are known by products, with vectors and residuals.

Davidson's method: in the span of the vectors multiplied so far the eigenpairs are found exactly, and the
span grows by the residual of one of them, r = A u − θ u. By itself that is Lanczos' method with full
orthogonalisation and thick restarts. A *guide*, which is a set of roughly known eigenpairs (u_g, d_g), bends
the residual towards where the missing part lies: t = (θ − A_g)⁻¹ r with A_g = Σ_g d_g u_g u_gᵀ. Such a guide
is at hand along a training run: the pairs at its last point. Without one the search starts from a direction
that is given or random; for a Hessian the gradient is a good one, since it lies mostly among the top
eigenvectors. R matrices are treated side by side. As A is symmetric, an eigenvalue of it lies within
‖A u − θ u‖ of θ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from sgdlab.diagnostics.curvature.span import Span
from sgdlab.diagnostics.operators import SymmetricOperator
from sgdlab.diagnostics.vectors import unit
from sgdlab.errors import UserError

_ROOM = 24  # vectors that the span may hold beyond two a pair
_RANDOM_PART = 0.1  # of a start that is given
_CLOSEST = 0.02  # a guide's eigenvalue is taken to be at least this part of θ away from it


@dataclass(frozen=True)
class Eigenpairs:
    """The k algebraically largest eigenvalues of each matrix, in descending order."""

    values: Tensor  # (R, k) float64
    vectors: Tensor  # (R, k, P), of length 1
    residuals: Tensor  # (R, k) float64, ‖A u − θ u‖: an eigenvalue of A lies this close to θ
    has_converged: Tensor  # (R,) bool
    num_products: int  # that it took, with one vector a matrix

    @classmethod
    def of_runs(cls, each: Sequence[Eigenpairs]) -> Self:
        """Put the pairs of single runs side by side."""
        return cls(
            values=torch.cat([one.values for one in each]),
            vectors=torch.cat([one.vectors for one in each]),
            residuals=torch.cat([one.residuals for one in each]),
            has_converged=torch.cat([one.has_converged for one in each]),
            num_products=max(one.num_products for one in each),
        )

    def of_run(self, run: int) -> Eigenpairs:
        """Return the pairs of one run, as of a pack of one."""
        one = slice(run, run + 1)
        values, vectors, residuals = self.values[one], self.vectors[one], self.residuals[one]
        return Eigenpairs(values, vectors, residuals, self.has_converged[one], self.num_products)

    def unless(self, earlier: Eigenpairs | None) -> Eigenpairs:
        """Return these, but of each run that had converged earlier those: no run hangs on its companions."""
        if earlier is None or not bool(earlier.has_converged.any()):
            return self
        had, device = earlier.has_converged.unsqueeze(1), self.vectors.device
        return replace(
            self,
            values=torch.where(had, earlier.values, self.values),
            vectors=torch.where(had.unsqueeze(2).to(device), earlier.vectors, self.vectors),
            residuals=torch.where(had, earlier.residuals, self.residuals),
            has_converged=self.has_converged | earlier.has_converged,
        )


def top_eigenpairs(
    operator: SymmetricOperator,
    num_pairs: int = 1,
    *,
    tolerance: float = 1e-3,
    max_products: int = 300,
    guide: Eigenpairs | None = None,
    start: Tensor | None = None,
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
    start
        Without a guide, a direction ``(R, P)`` that is expected to lie near the wanted ones. A random part is
        added, of a tenth of its length: no eigenvector is out of sight.
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
    span = Span(operator, 2 * num_pairs + _ROOM, torch.Generator().manual_seed(seed))
    for direction in _first_directions(span, num_pairs, guide, start):
        span.extend(direction)
    found: Eigenpairs | None = None
    while True:
        ritz = _Ritz.of(span, num_pairs)
        is_open = ritz.residuals.double().norm(dim=2).cpu() > ritz.scale.unsqueeze(1) * tolerance
        has_all = ritz.vectors.shape[1] == num_pairs
        found = ritz.eigenpairs(~is_open.any(dim=1) & has_all, span.num_products).unless(found)
        if bool(found.has_converged.all()) or span.num_products >= max_products or span.is_everything:
            return found
        direction = ritz.residual_of_first(is_open)
        if span.is_full:
            kept = num_pairs + _ROOM // 2
            span.keep(ritz.mixtures[:, :, :kept], ritz.values[:, :kept])
        span.extend(direction if guide is None else _bent(direction, ritz.values[:, 0], guide))


def _first_directions(
    span: Span, num_pairs: int, guide: Eigenpairs | None, start: Tensor | None
) -> Sequence[Tensor]:
    if guide is not None:
        return guide.vectors[:, : num_pairs + 1].unbind(1)
    random = span.random()
    if start is None:
        return [random]
    return [unit(start) + _RANDOM_PART * unit(random)]


@dataclass(frozen=True)
class _Ritz:
    """The eigenpairs of the matrices within a span, in descending order, and the first k of them outside."""

    values: Tensor  # (R, dim) float64
    mixtures: Tensor  # (R, dim, dim) float64: of the basis
    vectors: Tensor  # (R, k, P)
    residuals: Tensor  # (R, k, P)

    @classmethod
    def of(cls, span: Span, num_pairs: int) -> Self:
        """Solve within the span."""
        values, mixtures = (solved.flip(-1) for solved in torch.linalg.eigh(span.within))
        chosen = mixtures[:, :, :num_pairs].to(span.basis).transpose(1, 2)
        vectors = chosen @ span.basis
        residuals = chosen @ span.products - values[:, :num_pairs, None].to(vectors) * vectors
        return cls(values, mixtures, vectors, residuals)

    @property
    def scale(self) -> Tensor:
        """The largest magnitude of an eigenvalue that was met, (R,)."""
        return self.values.abs().amax(dim=1)

    def residual_of_first(self, is_open: Tensor) -> Tensor:
        """Return the residual of each run's first open pair, of its last where none is: ``(R, P)``."""
        last = is_open.shape[1] - 1
        first = torch.where(is_open.any(dim=1), is_open.int().argmax(dim=1), last)
        return self.residuals[torch.arange(len(first)), first]

    def eigenpairs(self, has_converged: Tensor, num_products: int) -> Eigenpairs:
        """Return them as a result."""
        norms = self.residuals.double().norm(dim=2).cpu()
        return Eigenpairs(self.values[:, : norms.shape[1]], self.vectors, norms, has_converged, num_products)


def _bent(residual: Tensor, values: Tensor, guide: Eigenpairs) -> Tensor:
    """Return θ·(θ − A_g)⁻¹ r; where the guide's eigenvalue is too close to θ, as if it were not."""
    distance = values.unsqueeze(1) - guide.values
    closest = _CLOSEST * values.abs().unsqueeze(1)
    distance = torch.where(distance.abs() < closest, closest, distance)
    factors = (values.unsqueeze(1) / distance - 1).to(residual)
    parts = (guide.vectors @ residual.unsqueeze(2)).squeeze(2)
    return residual + ((factors * parts).unsqueeze(1) @ guide.vectors).squeeze(1)
