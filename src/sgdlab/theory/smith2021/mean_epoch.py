"""Eq. 18 and 20: where an epoch of SGD ends, averaged over all m! orders of fixed batches.

E ω_m = ω_0 − mε∇C + (m²ε²/4)∇(‖∇C‖² − (1/m²) Σ_j ‖∇C_j‖²) + O(m³ε³)              (18)

and so it is within O(m³ε³) of the flow on C_SGD = C + (ε/4m) Σ_k ‖∇C_k‖² after time mε (20). How the errors
grow with m at one ε is measured too: the bound says m³ at most. There 7 and more batches have too many
orders: the mean is over random ones, each paired with its reverse, so that the noise that is left is O(ε³)
as well.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sgdlab.analysis.series import FigureSeries
from sgdlab.sweeps.claims import Expectation
from sgdlab.theory.check import CheckReport, Finding
from sgdlab.theory.convergence import ErrorCurve, convergence_panel
from sgdlab.theory.flows import follow, mean_square_norm_gradient, modified_descent
from sgdlab.theory.order_fit import BAND, fit_order
from sgdlab.theory.orders import every_order
from sgdlab.theory.problems import Problem, digits_mlp
from sgdlab.theory.updates import descend

LRS = tuple(2.0**k for k in range(-11, -6))
NUM_BATCHES = (2, 3, 4, 5)
MOST_ENUMERATED = 6  # 720 orders
NUM_PAIRS = 1000
GROWTH_LR = 2.0**-11
GROWTH_NUM_BATCHES = (2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60)
GROWTH_FITTED_FROM = 6  # below, terms in m² and m hide the m³: there are no three batches to choose from two


def run() -> CheckReport:
    """Measure both errors for m = 2 … 5 on a tanh MLP with 60 digits, and their growth with m."""
    problem = digits_mlp(num_examples=60)
    curves: dict[str, list[ErrorCurve]] = {"18": [], "20": []}
    for m in NUM_BATCHES:
        errors = [epoch_errors(problem, m, lr) for lr in LRS]
        for (equation, found), measured in zip(curves.items(), zip(*errors, strict=True), strict=True):
            says = f"Eq. {equation}, m = {m}: the error is O(ε³)."
            found.append(ErrorCurve(f"m = {m}", says, 3, LRS, measured))
    growth = _growth(problem)
    notes = (
        "cross-entropy of a tanh MLP 64-4-10 on 60 digits in m equal batches, at its initialisation, float64",
        "left and middle: the mean is over all m! orders; ε up to 2⁻⁷, where mε times the Hessian's largest "
        "eigenvalue, 3.7, stays below 0.15",
        f"right: ε = 2⁻¹¹; from m = 10 on the mean is over {NUM_PAIRS} random orders and their reverses; "
        "the growth is fitted from m = 6",
    )
    return CheckReport(
        findings=(
            *(one.finding for found in curves.values() for one in found),
            *(_growth_finding(one) for one in growth),
        ),
        figure=FigureSeries(
            name="smith2021/eq18-20",
            title="The mean epoch of SGD",
            kind="curves",
            x_label="learning rate ε",
            y_label="distance from the mean over all orders",
            y_scale="log",
            panels=(
                convergence_panel("Eq. 18: formula", curves["18"]),
                convergence_panel("Eq. 20: flow on C_SGD", curves["20"]),
                convergence_panel("Growth with m", growth, x_label="batches in an epoch, m"),
            ),
            caption=notes,
        ),
        notes=notes,
    )


def epoch_errors(problem: Problem, num_batches: int, lr: float) -> tuple[float, float]:
    """Return how far the mean epoch ends from eq. 18 and from the flow on C_SGD (eq. 20)."""
    batches = problem.batches(num_batches)
    mean_end = mean_epoch(problem, batches, lr)
    flow = modified_descent(problem, batches, lr / 4)
    flowed = follow(flow, problem.start, num_batches * lr)
    expanded = mean_epoch_by_eq18(problem, batches, lr)
    return (mean_end - expanded).norm().item(), (mean_end - flowed).norm().item()


def mean_epoch(problem: Problem, batches: Tensor, lr: float) -> Tensor:
    """Return the mean end of an epoch, ``(P,)``, over every order; from 7 batches on over a sample."""
    num_batches = len(batches)
    if num_batches <= MOST_ENUMERATED:
        orders = every_order(num_batches)
    else:
        generator = torch.Generator().manual_seed(num_batches)
        forward = torch.rand(NUM_PAIRS, num_batches, generator=generator).argsort(dim=1)
        orders = torch.cat([forward, forward.flip(1)])
    return descend(problem, batches, orders, lr).mean(dim=0)


def mean_epoch_by_eq18(problem: Problem, batches: Tensor, lr: float) -> Tensor:
    """Return the right-hand side of eq. 18 without its remainder, ``(P,)``."""
    start, num_batches = problem.start, len(batches)
    whole = batches.view(1, -1)
    gradient = problem.gradients(start[None], whole)[0]
    of_whole = mean_square_norm_gradient(problem, whole, start)
    of_batches = mean_square_norm_gradient(problem, batches, start) / num_batches
    time = num_batches * lr
    return start - time * gradient + time**2 / 4 * (of_whole - of_batches)


def _growth(problem: Problem) -> tuple[ErrorCurve, ...]:
    errors = zip(*(epoch_errors(problem, m, GROWTH_LR) for m in GROWTH_NUM_BATCHES), strict=True)
    return tuple(
        ErrorCurve(label, f"At one ε the error of {label} grows as m³ at most.", 3, GROWTH_NUM_BATCHES, found)
        for label, found in zip(("eq. 18", "eq. 20"), errors, strict=True)
    )


def _growth_finding(growth: ErrorCurve) -> Finding:
    first = growth.step_sizes.index(GROWTH_FITTED_FROM)
    fit = fit_order(growth.step_sizes[first:], growth.errors[first:])
    return Finding(growth.says, fit.order, fit.interval, Expectation(below=3 + BAND))
