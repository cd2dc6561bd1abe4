"""Spectral density of a symmetric matrix by stochastic Lanczos quadrature.

For a random v of length 1, E vᵀf(A)v = tr f(A)/P, and Lanczos' method from v gives the Gauss quadrature of
the left side: m nodes θ_j (the eigenvalues within the Krylov span) with weights w_j (squared first entries of
their eigenvectors), exact for polynomials up to degree 2m−1 (Golub & Meurant 1994; Ubaru, Chen & Saad 2017).
The mean over several v estimates the spectrum; their spread is its standard error. Cost: m products a vector.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sgdlab.diagnostics.curvature.span import Span
from sgdlab.diagnostics.estimate import refuse_few
from sgdlab.diagnostics.operators import SymmetricOperator
from sgdlab.errors import UserError


@dataclass(frozen=True)
class SpectralDensity:
    """Nodes and weights of V quadratures; the weights of each sum to 1."""

    nodes: Tensor  # (V, R, m) float64
    weights: Tensor  # (V, R, m) float64
    num_parameters: int  # P

    def mean_of(self, function: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Return the mean of a function over the P eigenvalues, and its standard error: ``(R,)`` each."""
        each = (self.weights * function(self.nodes)).sum(dim=2)
        return each.mean(dim=0), each.std(dim=0) / math.sqrt(len(each))

    def density(self, grid: Tensor, width: float) -> tuple[Tensor, Tensor]:
        """Return the density on a grid, each eigenvalue spread as a normal of this deviation, and its error.

        Parameters
        ----------
        grid
            (G,) eigenvalues.
        width
            Standard deviation of the normal, in units of eigenvalues.

        Returns
        -------
        tuple of Tensor
            Density, a number per unit of eigenvalue, and its standard error: ``(R, G)`` each.
        """
        distance = (grid.double() - self.nodes.unsqueeze(3)) / width
        bumps = torch.exp(-distance.square() / 2) / (width * math.sqrt(2 * math.pi))
        each = (self.weights.unsqueeze(3) * bumps).sum(dim=2)
        return each.mean(dim=0), each.std(dim=0) / math.sqrt(len(each))


def spectral_density(
    operator: SymmetricOperator, *, num_nodes: int = 40, num_vectors: int = 4, seed: int = 0
) -> SpectralDensity:
    """Estimate the spectrum.

    Parameters
    ----------
    operator
        R matrices of P×P.
    num_nodes
        m, of one quadrature; at most P are made.
    num_vectors
        V, at least 2.
    seed
        Of the vectors, which are the same for each run.

    Raises
    ------
    UserError
        If a number is out of range; and as the products do.
    """
    if num_nodes < 1:
        raise UserError(f"num_nodes={num_nodes} must be at least 1")
    refuse_few("num_vectors", num_vectors, 2)
    generator = torch.Generator().manual_seed(seed)
    made = [_quadrature(operator, num_nodes, generator) for _ in range(num_vectors)]
    nodes, weights = (torch.stack(each) for each in zip(*made, strict=True))
    return SpectralDensity(nodes, weights, operator.shape[1])


def _quadrature(
    operator: SymmetricOperator, num_nodes: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return nodes and weights from one vector: ``(R, m)`` each."""
    span = Span(operator, num_nodes, generator)
    span.extend(span.random())
    while not span.is_full:
        span.extend(span.products[:, -1])
    nodes, mixtures = torch.linalg.eigh(span.within)
    return nodes, mixtures[:, 0].square()
