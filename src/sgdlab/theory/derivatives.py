"""Derivatives of a problem's costs at one point: each example's gradient, the full Hessian, tr Σ."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import grad, jacrev

from sgdlab.theory.problems import Problem


def example_gradients(problem: Problem, point: Tensor) -> Tensor:
    """Return the gradient of each example's cost, ``(N, P)``, at a point ``(P,)``."""
    everyone = torch.arange(problem.num_examples)[:, None]
    return problem.gradients(point.expand(problem.num_examples, -1), everyone)


def full_hessian(problem: Problem, point: Tensor) -> Tensor:
    """Return the Hessian of the mean cost of all examples, ``(P, P)``, at a point ``(P,)``."""

    def loss(parameters: Tensor) -> Tensor:
        return problem.costs(parameters[None], torch.arange(problem.num_examples)[None]).mean()

    result: Tensor = jacrev(grad(loss))(point)
    return result


def losses(problem: Problem, points: Tensor, examples: Tensor) -> Tensor:
    """Return the mean costs ``(R,)`` of examples ``(R, B)`` at points ``(R, P)``."""
    return problem.costs(points, examples).mean(dim=1)


def trace_of_covariance(gradients: Tensor) -> Tensor:
    """Return tr Σ of one draw from examples with these gradients ``(N, P)``, all equally likely."""
    return (gradients - gradients.mean(dim=0)).square().sum() / len(gradients)
