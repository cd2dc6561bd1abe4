"""SGD's modified loss, expected over shuffles of the examples: E C_SGD (smith2021, eq. 22).

E C_SGD = C + (ε/4)·E‖∇C_k‖², where a batch of B of the N examples has, on average over shuffles,

    E‖∇C_k‖² = ‖∇C‖² + (N − B)/(N − 1)·Γ/B,    Γ = (1/N) Σ_i ‖∇C_i − ∇C‖²

(appendix A). Γ is summed from differences, not from moments. All of it is exact: one gradient of each example
by itself, all in one pass, and for ∇E C_SGD the pass back through them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sgdlab.theory.flows import Field
from sgdlab.theory.problems import Problem


def expected_modified_descent(problem: Problem, batch_size: int, lr: float) -> Field:
    """Return −∇E C_SGD, for SGD of learning rate ε in batches of B.

    Raises
    ------
    ValueError
        If a batch isn't between one example and all of them.
    """
    _check_batch_size(problem, batch_size)

    def field(point: Tensor) -> Tensor:
        with torch.enable_grad():
            point = point.detach().requires_grad_()
            cost, square_norm = _cost_and_square_norm(problem, point, batch_size)
            (gradient,) = torch.autograd.grad(cost + lr / 4 * square_norm, point)
        return -gradient

    return field


def expected_square_norm_gradient(problem: Problem, batch_size: int, point: Tensor) -> Tensor:
    """Return ∇E‖∇C_k‖² at a point ``(P,)``; raise as `expected_modified_descent` does."""
    _check_batch_size(problem, batch_size)
    with torch.enable_grad():
        point = point.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(_cost_and_square_norm(problem, point, batch_size)[1], point)
    return gradient


def _check_batch_size(problem: Problem, batch_size: int) -> None:
    if not 1 <= batch_size <= problem.num_examples:
        raise ValueError(f"batch_size={batch_size} must be between 1 and the {problem.num_examples} examples")


def _cost_and_square_norm(problem: Problem, point: Tensor, batch_size: int) -> tuple[Tensor, Tensor]:
    """Return C and E‖∇C_k‖² as functions of the point."""
    num_examples = problem.num_examples
    copies = point.expand(num_examples, -1).clone()  # each example's gradient by itself
    costs = problem.costs(copies, torch.arange(num_examples)[:, None])
    (gradients,) = torch.autograd.grad(costs.sum(), copies, create_graph=True)
    full = gradients.mean(dim=0)
    square_norm = full.square().sum()
    if batch_size < num_examples:
        trace = (gradients - full).square().sum() / num_examples  # Γ
        square_norm = square_norm + (num_examples - batch_size) / (num_examples - 1) * trace / batch_size
    return costs.mean(), square_norm
