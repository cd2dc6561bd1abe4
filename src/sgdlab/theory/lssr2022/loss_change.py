"""The expected change of the loss in one update of SGD (lssr2022, eq. 3–7, figure 1).

    (E L_{t+1} − L_t)/tr S_n = (η²/2)·(tr(H S_b)/tr S_n − 2/η)

up to O(η³): a line of slope η²/2 through 2/η. On a quadratic it is exact, and the expected loss rises exactly
when tr(H S_b)/tr S_n > 2/η (eq. 7). Expectations are sums over every batch, drawn without replacement.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.optimize import brentq
from torch import Tensor

from sgdlab.analysis.series import FigureSeries, OrderLine, PanelSeries
from sgdlab.sweeps.claims import Expectation
from sgdlab.theory.agreement import agreement_finding, exact_finding
from sgdlab.theory.check import CheckReport
from sgdlab.theory.convergence import ErrorCurve, convergence_panel
from sgdlab.theory.derivatives import example_gradients, full_hessian, losses
from sgdlab.theory.drawing import curve
from sgdlab.theory.draws import draws_without_replacement
from sgdlab.theory.lssr2022.batch_moments import predict_moments
from sgdlab.theory.problems import Problem, digits_mlp, quadratic
from sgdlab.theory.updates import descend

NUM_EXAMPLES = 7
BATCH_SIZES = tuple(range(1, NUM_EXAMPLES + 1))
LR = 0.3  # of the quadratics: points on both sides of 2/η
LRS = tuple(2.0**k for k in range(-14, -7))
NETWORK_BATCH_SIZE = 2

_DIMENSION = 5
_NUM_POINTS = 6


def expected_change(problem: Problem, point: Tensor, batch_size: int, lr: float) -> float:
    """Return E L_{t+1} − L_t over every batch, drawn without replacement, at a point ``(P,)``."""
    batches = draws_without_replacement(problem.num_examples, batch_size)
    everyone = torch.arange(problem.num_examples).expand(len(batches.examples), -1)
    points = point.expand(len(batches.examples), -1)
    after = points - lr * problem.gradients(points, batches.examples)
    return float(batches.mean(losses(problem, after, everyone) - losses(problem, points, everyone)))


def interaction(problem: Problem, point: Tensor, batch_size: int) -> tuple[float, float]:
    """Return tr(H S_b), from b = 1 and b = n, and tr S_n at a point ``(P,)``."""
    gradients, hessian = example_gradients(problem, point), full_hessian(problem, point)
    moments = predict_moments(gradients, hessian, batch_size, "without")
    return moments.curvature, float(gradients.mean(dim=0).square().sum())


def predicted_change(curvature: float, full_square: float, lr: float) -> float:
    """Return eq. 6 without its remainder, from tr(H S_b) and tr S_n."""
    return lr**2 / 2 * full_square * (curvature / full_square - 2 / lr)


def random_quadratics() -> Problem:
    """Return examples with their own Hessians A_i ≥ 0 and minima a_i; the origin is where none of them is."""
    generator = torch.Generator().manual_seed(0)
    roots = torch.randn(NUM_EXAMPLES, _DIMENSION, _DIMENSION, generator=generator, dtype=torch.float64)
    minima = torch.randn(NUM_EXAMPLES, _DIMENSION, generator=generator, dtype=torch.float64)
    return quadratic(roots @ roots.mT, minima, torch.zeros(_DIMENSION, dtype=torch.float64))


@dataclass(frozen=True)
class Step:
    """One update of a batch size from one point of the quadratics."""

    batch_size: int
    sharpness: float  # tr(H S_b)/tr S_n
    change: float  # (E L_{t+1} − L_t)/tr S_n, over every batch
    predicted: float  # the same by eq. 6
    threshold: float  # the η from which the expected loss rises, times tr(H S_b)/(2 tr S_n): 1 by eq. 7


def run() -> CheckReport:
    """Check the line and the condition on quadratics, and the remainder's order on a network of digits."""
    steps = [step for point in _points() for step in quadratic_steps(point)]
    second, first = remainders()
    rises = [step.change > 0 for step in steps]
    agree = sum(rose == (step.sharpness > 2 / LR) for rose, step in zip(rises, steps, strict=True))
    notes = (
        f"quadratics: {NUM_EXAMPLES} examples in {_DIMENSION} dimensions, each with its own Hessian; "
        f"{_NUM_POINTS} points, η = {LR}, b = 1 to {NUM_EXAMPLES}, every batch",
        f"network: tanh MLP 64-4-10 on {NUM_EXAMPLES} digits, after 50 updates of GD; "
        f"b = {NETWORK_BATCH_SIZE}, every batch",
    )
    return CheckReport(
        findings=(
            agreement_finding(
                "On quadratics (E L_{t+1} − L_t)/tr S_n is (η²/2)(tr(H S_b)/tr S_n − 2/η) (eq. 6).",
                max(abs(step.change - step.predicted) for step in steps)
                / max(abs(step.predicted) for step in steps),
                remark="Largest distance from the line, over the largest value.",
            ),
            exact_finding(
                "On quadratics the expected loss rises exactly when tr(H S_b)/tr S_n > 2/η (eq. 7).",
                agree / len(steps),
                Expectation(within=(1.0, 1.0)),
                remark=f"Share of cases; the loss rises in {sum(rises)} of {len(steps)}.",
            ),
            agreement_finding(
                "On quadratics the expected loss rises from η = 2 tr S_n/tr(H S_b) on.",
                max(abs(step.threshold - 1) for step in steps),
                remark="Largest relative deviation of the root that bisection finds.",
            ),
            second.finding,
            first.finding,
        ),
        figure=_figure(steps, (second, first), notes),
        notes=notes,
    )


def quadratic_steps(point: Tensor) -> list[Step]:
    """Make one update of every batch size from a point ``(P,)`` of the quadratics."""
    problem = random_quadratics()
    steps = []
    for size in BATCH_SIZES:
        curvature, square = interaction(problem, point, size)

        def change_an_lr(lr: float, size: int = size) -> float:
            return expected_change(problem, point, size, lr) / lr

        root = brentq(change_an_lr, 1e-3, 1e3, xtol=1e-15)
        steps.append(
            Step(
                batch_size=size,
                sharpness=curvature / square,
                change=expected_change(problem, point, size, LR) / square,
                predicted=predicted_change(curvature, square, LR) / square,
                threshold=root * curvature / (2 * square),
            )
        )
    return steps


def remainders() -> tuple[ErrorCurve, ErrorCurve]:
    """Return what eq. 6 leaves out on a network of digits, with tr(H S_b) and, as a control, without."""
    problem = digits_mlp(NUM_EXAMPLES)
    trained = descend(problem, problem.batches(1), torch.zeros(1, 50, dtype=torch.int64), lr=0.05)[0]
    curvature, square = interaction(problem, trained, NETWORK_BATCH_SIZE)
    changes = [expected_change(problem, trained, NETWORK_BATCH_SIZE, lr) for lr in LRS]
    pairs = list(zip(changes, LRS, strict=True))
    return (
        ErrorCurve(
            "eq. 6",
            "On a smooth network eq. 6 leaves out O(η³).",
            3,
            LRS,
            tuple(abs(change - predicted_change(curvature, square, lr)) for change, lr in pairs),
        ),
        ErrorCurve(
            "eq. 6 without tr(H S_b)",
            "Without the term of tr(H S_b) it is O(η²): the control.",
            2,
            LRS,
            tuple(abs(change + lr * square) for change, lr in pairs),
        ),
    )


def _points() -> list[Tensor]:
    """Points at several distances: near the minimum the gradient's noise prevails, far off its mean."""
    generator = torch.Generator().manual_seed(1)
    return [
        scale * torch.randn(_DIMENSION, generator=generator, dtype=torch.float64)
        for scale in torch.linspace(0.5, 4.0, _NUM_POINTS).tolist()
    ]


def _figure(steps: list[Step], errors: tuple[ErrorCurve, ErrorCurve], notes: tuple[str, ...]) -> FigureSeries:
    """Draw rises and falls apart, each against its distance from 2/η: so both axes are logarithmic."""
    rows = sorted((abs(step.sharpness - 2 / LR), abs(step.change), step.change > 0) for step in steps)
    series = [
        curve(label, [x for x, _, rose in rows if rose is up], [y for _, y, rose in rows if rose is up])
        for label, up in (("rises of the loss", True), ("falls of the loss", False))
    ]
    nearest, farthest = rows[0][0], rows[-1][0]
    line = PanelSeries(
        "line",
        r"Quadratics; dashed: slope $\eta^2/2$",
        "log2",
        tuple(series),
        reference=None,
        x_label=r"$|\,\mathrm{tr}(H S_b)/\mathrm{tr}\,S_n - 2/\eta\,|$",
        y_label=r"$|\,E L_{t+1} - L_t|\ /\ \mathrm{tr}\,S_n$",
        order_lines=(OrderLine(1, (nearest, farthest), LR**2 / 2 * farthest),),
    )
    order = convergence_panel(
        "Network", errors, x_label="learning rate η", y_label="distance from the expected change"
    )
    return FigureSeries(
        name="lssr2022/eq6",
        title="Expected change of the loss",
        kind="curves",
        x_label="",
        y_label="",
        y_scale="log",
        panels=(line, order),
        caption=notes,
    )
