"""Eq. 35–39: n-step SGD, n updates with α on each batch, follows the flow on C + (α/4m) Σ_k ‖∇C_k‖².

Its effective learning rate is ε = nα, but the strength of its regulariser is α: at one ε it shrinks as 1/n.
On a single batch (eq. 35) n updates end at ω − ε∇C_k + ¼(1 − 1/n)ε²∇‖∇C_k‖², up to O(ε³).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sgdlab.analysis.series import FigureSeries
from sgdlab.theory.check import CheckReport
from sgdlab.theory.convergence import ErrorCurve, big_o, convergence_panel
from sgdlab.theory.flows import follow, mean_square_norm_gradient, modified_descent
from sgdlab.theory.orders import every_order
from sgdlab.theory.problems import Problem, digits_mlp
from sgdlab.theory.updates import descend

LRS_EFFECTIVE = tuple(2.0**k for k in range(-11, -6))
INNER_STEPS = (2, 4, 8)
STRENGTH_INNER_STEPS = (1, 2, 4, 8, 16)
STRENGTH_LR_EFFECTIVE = 2.0**-12  # small: the strength is read off the leading order
NUM_BATCHES = 3


def run() -> CheckReport:
    """Measure errors and strength for 3 batches of 20 digits and a tanh MLP, over all orders."""
    problem = digits_mlp(num_examples=60)
    on_a_batch, with_alpha, with_epsilon = [], [], []
    for n in INNER_STEPS:
        errors = [one_batch_error(problem, n, lr) for lr in LRS_EFFECTIVE]
        on_a_batch.append(_curve(f"n = {n}: n updates on a batch end {{}} from eq. 35.", n, 3, errors))
        errors = [epoch_error(problem, n, lr, strength=lr / n / 4) for lr in LRS_EFFECTIVE]
        with_alpha.append(
            _curve(f"n = {n}: the mean epoch ends {{}} from the flow of strength α.", n, 3, errors)
        )
        errors = [epoch_error(problem, n, lr, strength=lr / 4) for lr in LRS_EFFECTIVE]
        with_epsilon.append(
            _curve(f"n = {n}: the mean epoch ends {{}} from the flow of strength ε.", n, 2, errors)
        )
    strengths = tuple(relative_strength(problem, n, STRENGTH_LR_EFFECTIVE) for n in STRENGTH_INNER_STEPS)
    says = "At one ε the measured strength of the regulariser goes as n⁻¹."
    strength = ErrorCurve("measured strength", says, -1, STRENGTH_INNER_STEPS, strengths)
    notes = (
        "cross-entropy of a tanh MLP 64-4-10 on 60 digits in 3 equal batches, at its initialisation, float64",
        "the mean is over all 3! orders; eq. 35 is measured on the first batch, and not drawn",
        "strength: (mean end − flow on C), projected on −mε·¼∇(1/m Σ‖∇C_k‖²), over ε; at ε = 2⁻¹²",
    )
    return CheckReport(
        findings=tuple(one.finding for one in (*on_a_batch, *with_alpha, *with_epsilon, strength)),
        figure=FigureSeries(
            name="smith2021/eq35-39",
            title="n-step SGD",
            kind="curves",
            x_label="effective learning rate ε = nα",
            y_label="distance from the mean over all orders",
            y_scale="log",
            panels=(
                convergence_panel("Flow of strength α (eq. 39)", with_alpha),
                convergence_panel("Flow of strength ε", with_epsilon),
                convergence_panel("Strength at one ε", [strength], "updates on a batch, n", "strength / ε"),
            ),
            caption=notes,
        ),
        notes=notes,
    )


def one_batch_error(problem: Problem, inner_steps: int, lr_effective: float) -> float:
    """Return how far n updates on the first batch end from eq. 35 without its remainder."""
    batch = problem.batches(NUM_BATCHES)[:1]
    first = torch.zeros(1, 1, dtype=torch.int64)
    end = descend(problem, batch, first, lr_effective / inner_steps, inner_steps)[0]
    gradient = problem.gradients(problem.start[None], batch)[0]
    correction = mean_square_norm_gradient(problem, batch, problem.start)
    share = (1 - 1 / inner_steps) / 4
    expanded = problem.start - lr_effective * gradient + share * lr_effective**2 * correction
    return float((end - expanded).norm())


def epoch_error(problem: Problem, inner_steps: int, lr_effective: float, strength: float) -> float:
    """Return how far the mean epoch ends from the flow on C + s·(1/m) Σ_k ‖∇C_k‖²."""
    return float(_away_from_flow(problem, inner_steps, lr_effective, strength).norm())


def relative_strength(problem: Problem, inner_steps: int, lr_effective: float) -> float:
    """Return the s/ε of the C + (s/4m) Σ_k ‖∇C_k‖² that the mean epoch is seen to descend."""
    batches = problem.batches(NUM_BATCHES)
    away = _away_from_flow(problem, inner_steps, lr_effective, strength=0.0)
    push = mean_square_norm_gradient(problem, batches, problem.start) / 4
    time = NUM_BATCHES * lr_effective
    strength = float((away @ push) / push.square().sum()) / -time
    return strength / lr_effective


def _away_from_flow(problem: Problem, inner_steps: int, lr_effective: float, strength: float) -> Tensor:
    batches = problem.batches(NUM_BATCHES)
    ends = descend(problem, batches, every_order(NUM_BATCHES), lr_effective / inner_steps, inner_steps)
    field = modified_descent(problem, batches, strength)
    return ends.mean(dim=0) - follow(field, problem.start, NUM_BATCHES * lr_effective)


def _curve(says: str, inner_steps: int, order: int, errors: Sequence[float]) -> ErrorCurve:
    return ErrorCurve(f"n = {inner_steps}", says.format(big_o(order)), order, LRS_EFFECTIVE, tuple(errors))
