"""Eq. 9–11: a step of gradient descent is on the flow of C_GD = C + (ε/4)‖∇C‖², up to O(ε³).

From C's own flow it is O(ε²) away. Over a fixed time the errors of t/ε steps add up to one order less: O(ε²)
from C_GD's flow, O(ε) from C's.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from sgdlab.analysis.series import FigureSeries
from sgdlab.theory.check import CheckReport
from sgdlab.theory.convergence import ErrorCurve, big_o, convergence_panel
from sgdlab.theory.flows import follow, modified_descent
from sgdlab.theory.problems import Problem, digits_mlp
from sgdlab.theory.updates import descend

LRS = tuple(2.0**k for k in range(-10, -4))
TIME = 1.0  # a multiple of every ε


def run() -> CheckReport:
    """Measure the four errors on a tanh MLP with 20 digits."""
    problem = digits_mlp(num_examples=20)
    one_step = error_curves(problem, LRS, lambda _: 1, orders=(3, 2), of="One step of GD")
    fixed_time = error_curves(
        problem, LRS, lambda lr: round(TIME / lr), orders=(2, 1), of="GD over a fixed time"
    )
    notes = (
        "cross-entropy of a tanh MLP 64-4-10 on 20 digits, at its initialisation, float64",
        "ε up to 2⁻⁵, where ε times the Hessian's largest eigenvalue is 0.14: every term left out is small",
    )
    return CheckReport(
        findings=tuple(one.finding for one in (*one_step, *fixed_time)),
        figure=FigureSeries(
            name="smith2021/eq9-11",
            title="Gradient descent against two flows",
            kind="curves",
            x_label="learning rate ε",
            y_label="distance of GD from the flow",
            y_scale="log",
            panels=(
                convergence_panel("After one step", one_step),
                convergence_panel(f"After time {TIME:g}", fixed_time),
            ),
            caption=notes,
        ),
        notes=notes,
    )


def error_curves(
    problem: Problem,
    lrs: tuple[float, ...],
    num_updates: Callable[[float], int],
    orders: tuple[int, int],
    of: str,
) -> tuple[ErrorCurve, ErrorCurve]:
    """Measure how far gradient descent ends from C_GD's flow and from C's, at each learning rate."""
    batches = problem.batches(1)
    errors: tuple[list[float], list[float]] = ([], [])
    for lr in lrs:
        updates = num_updates(lr)
        end = descend(problem, batches, torch.zeros(1, updates, dtype=torch.int64), lr)[0]
        for found, strength in zip(errors, (lr / 4, 0.0), strict=True):
            flowed = follow(modified_descent(problem, batches, strength), problem.start, updates * lr)
            found.append((end - flowed).norm().item())
    return (
        ErrorCurve(
            "flow on C + (ε/4)‖∇C‖²",
            f"{of} is {big_o(orders[0])} from the flow on C_GD.",
            orders[0],
            lrs,
            tuple(errors[0]),
        ),
        ErrorCurve(
            "flow on C", f"{of} is {big_o(orders[1])} from the flow on C.", orders[1], lrs, tuple(errors[1])
        ),
    )
