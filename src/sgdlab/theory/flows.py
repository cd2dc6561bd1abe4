"""Gradient flows on a loss and on a modified loss: ω̇ = −∇(C + s·(1/m) Σ_k ‖∇C_k‖²).

s = ε/4 with the m batches of an epoch is C_SGD (smith2021, eq. 1 and 20), with the whole set as one batch
C_GD (eq. 11); s = α/4 is n-step SGD's (eq. 39); s = 0 is the loss itself. ∇ of the modified loss is by
double backward: two gradients of all examples and the pass through them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from sgdlab.theory.problems import Problem

RELATIVE_TOLERANCE = 1e-12  # of the distance from the start
ABSOLUTE_TOLERANCE = 1e-15  # of each parameter

Field = Callable[[Tensor], Tensor]  # (P,) → (P,)


def modified_descent(problem: Problem, batches: Tensor, strength: float) -> Field:
    """Return −∇(C + s·(1/m) Σ_k ‖∇C_k‖²), C over all of the m batches ``(m, B)``."""

    def field(point: Tensor) -> Tensor:
        with torch.enable_grad():
            point = point.detach().requires_grad_()
            costs = problem.costs(point.expand(len(batches), -1), batches).mean(dim=1)
            loss = costs.mean()
            if strength:
                loss = loss + strength * _mean_square_norm(problem, batches, point)
            (gradient,) = torch.autograd.grad(loss, point)
        return -gradient

    return field


def mean_square_norm_gradient(problem: Problem, batches: Tensor, point: Tensor) -> Tensor:
    """Return ∇[(1/m) Σ_k ‖∇C_k‖²] of m batches ``(m, B)`` at a point ``(P,)``."""
    with torch.enable_grad():
        point = point.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(_mean_square_norm(problem, batches, point), point)
    return gradient


def follow(
    field: Field, start: Tensor, time: float, relative_tolerance: float = RELATIVE_TOLERANCE
) -> Tensor:
    """Follow ω̇ = field(ω) from `start` ``(P,)`` for `time`, by DOP853.

    The distance from the start is what is integrated: its digits aren't lost among those of ω.

    Raises
    ------
    ArithmeticError
        If the integrator gives up.
    """

    def derivative(_time: float, moved: np.ndarray) -> np.ndarray:
        return field(start + torch.from_numpy(moved)).numpy()

    solution = solve_ivp(
        derivative,
        (0.0, time),
        np.zeros(len(start)),
        method="DOP853",
        t_eval=(time,),
        rtol=relative_tolerance,
        atol=ABSOLUTE_TOLERANCE,
    )
    if not solution.success:
        raise ArithmeticError(f"the flow could not be followed for {time:g}: {solution.message}")
    return start + torch.from_numpy(solution.y[:, -1].copy())


def _mean_square_norm(problem: Problem, batches: Tensor, point: Tensor) -> Tensor:
    copies = point.expand(len(batches), -1).clone()  # each batch's gradient by itself, all in one pass
    costs = problem.costs(copies, batches).mean(dim=1)
    (gradients,) = torch.autograd.grad(costs.sum(), copies, create_graph=True)
    return gradients.square().sum(dim=1).mean()
