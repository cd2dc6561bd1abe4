"""Functions of the parameters that the expansion of two half-batch updates is made of, with their gradients.

Sets are rows of example indices, ``(R, b)``, and each row has a result of its own. Everything is by
differentiating the costs as often as is needed: nothing here knows of the expansions that it is held against.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import grad, jvp, vmap

from sgdlab.theory.problems import Problem

Scalar = Callable[[Tensor], Tensor]  # parameters (P,) → a number


def mean_cost(problem: Problem, examples: Tensor) -> Scalar:
    """Return the mean cost of a set ``(b,)`` as a function of the parameters."""
    return lambda parameters: problem.costs(parameters[None], examples[None]).mean()


def hessian_products(problem: Problem, point: Tensor, of: Tensor, vectors: Tensor) -> Tensor:
    """Return h_A·v, ``(R, P)``, for the Hessians of the mean costs of sets `of` and `vectors` ``(R, P)``."""

    def product(examples: Tensor, vector: Tensor) -> Tensor:
        tangent: Tensor = jvp(grad(mean_cost(problem, examples)), (point,), (vector,))[1]
        return tangent

    products: Tensor = vmap(product)(of, vectors)
    return products


def spread(problem: Problem, batches: Tensor) -> Scalar:
    """Return Σ_k ‖g_k − g‖² over the m batches ``(m, b)``, g their mean, as a function of the parameters."""

    def of_parameters(parameters: Tensor) -> Tensor:
        gradients: Tensor = vmap(lambda examples: grad(mean_cost(problem, examples))(parameters))(batches)
        return (gradients - gradients.mean(dim=0)).square().sum()

    return of_parameters


def noise_trace(problem: Problem, examples: Tensor) -> Scalar:
    """Return tr Σ of one draw from a set ``(N,)``, deviations over N, as a function of the parameters."""
    return lambda parameters: spread(problem, examples[:, None])(parameters) / len(examples)


def displacement(problem: Problem, point: Tensor, sequence: Tensor, lr: float) -> Tensor:
    """Return θ_m − θ_0, ``(R, P)``, after an update on each set of `sequence` ``(m, R, b)`` in turn.

    The distance is what is summed up: its digits aren't lost among those of θ.
    """
    moved = torch.zeros(sequence.shape[1], len(point), dtype=point.dtype)
    for examples in sequence:
        moved = moved - lr * problem.gradients(point + moved, examples)
    return moved
