"""A problem whose flows are known in closed form: quadratic costs, each with its own Hessian."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.linalg import expm

from sgdlab.theory.problems import Problem, quadratic


@dataclass(frozen=True)
class Quadratics:
    """½ (ω − a_j)ᵀ A_j (ω − a_j): numpy throughout, and nothing of sgdlab but the problem."""

    hessians: np.ndarray  # (N, P, P)
    minima: np.ndarray  # (N, P)
    start: np.ndarray  # (P,)

    @property
    def problem(self) -> Problem:
        return quadratic(*map(torch.from_numpy, (self.hessians, self.minima, self.start)))

    def batch(self, examples) -> tuple[np.ndarray, np.ndarray]:
        """A and b of a batch's gradient A ω − b."""
        hessians = self.hessians[np.asarray(examples)]
        return hessians.mean(axis=0), np.einsum("jpq,jq->p", hessians, self.minima[examples]) / len(hessians)

    def gradient(self, examples, point=None) -> np.ndarray:
        a, b = self.batch(examples)
        return a @ (self.start if point is None else point) - b

    def flow(self, batches, strength: float, time: float) -> np.ndarray:
        """The end of ω̇ = −∇(C + s/m Σ‖A_k ω − b_k‖²) = −(M ω − v), by the exponential of the affine map."""
        pairs = [self.batch(batch) for batch in batches]
        matrix = sum(a + 2 * strength * a @ a for a, _ in pairs) / len(pairs)
        vector = sum(b + 2 * strength * a @ b for a, b in pairs) / len(pairs)
        size = len(vector)
        generator = np.zeros((size + 1, size + 1))
        generator[:size, :size], generator[:size, size] = -matrix, vector
        return (expm(time * generator) @ np.append(self.start, 1.0))[:size]


@pytest.fixture(scope="session")
def quadratics() -> Quadratics:
    """Six examples in three dimensions; Hessians with eigenvalues of either sign."""
    generator = np.random.default_rng(0)
    factors = generator.normal(size=(6, 3, 3))
    return Quadratics(
        factors + factors.transpose(0, 2, 1), generator.normal(size=(6, 3)), generator.normal(size=3)
    )
