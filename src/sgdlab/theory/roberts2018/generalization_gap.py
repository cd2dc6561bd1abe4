"""The generalisation gap that one update opens, on average over data (roberts2018, eq. 9).

    ⟨δε⟩ = η tr Σ/N + O(η²),  δε = δℓ_test − δℓ_train

with N training examples and a test set that shares none of them. A test loss is linear in its draws: averaged
over test sets it is the distribution's own loss.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sgdlab.analysis.series import FigureSeries, PanelSeries, Reference
from sgdlab.sweeps.claims import Expectation
from sgdlab.theory.agreement import ratio_finding
from sgdlab.theory.check import CheckReport, Finding
from sgdlab.theory.convergence import ErrorCurve, convergence_panel
from sgdlab.theory.drawing import curve
from sgdlab.theory.draws import draws_with_replacement
from sgdlab.theory.intervals import mean_interval
from sgdlab.theory.problems import Problem
from sgdlab.theory.roberts2018.realisations import (
    NUM_DIGITS,
    change_of_loss,
    moments,
    sample_changes,
    trained_digits,
)

NUM_ENUMERATED = 4
ENUMERATED_TRAIN = (1, 2, 4, 6)
LRS = tuple(2.0**k for k in range(-13, -6))

SAMPLED_LR = 2.0**-9
NUM_TRAIN = (8, 16, 32, 64, 128)
NUM_REALISATIONS = 10_000
TOLERANCE = 0.1
_NORMAL_95 = 1.959964


def expected_gap(problem: Problem, point: Tensor, num_train: int, lr: float) -> float:
    """Return ⟨δε⟩ over every training set and every test set, at a point ``(P,)``."""
    train = draws_with_replacement(problem.num_examples, num_train)
    everyone = torch.arange(problem.num_examples).expand(len(train.examples), -1)
    of_test = change_of_loss(problem, point, everyone, train.examples, lr)
    of_train = change_of_loss(problem, point, train.examples, train.examples, lr)
    return float(train.mean(of_test - of_train))


def predicted_gap(trace: float, num_train: int, lr: float) -> float:
    """Return eq. 9, from tr Σ of one draw."""
    return lr * trace / num_train


def fit_power(xs: Sequence[float], samples: Sequence[Tensor]) -> tuple[float, tuple[float, float]]:
    """Fit mean ∝ x^k to independent samples, ``(R,)`` at each x: k and its 95 % interval.

    Least squares of log mean on log x; the interval carries each mean's standard error through the fit.
    """
    logs = torch.tensor(xs, dtype=torch.float64).log()
    away = logs - logs.mean()
    weights = away / away.square().sum()
    means = torch.stack([each.mean() for each in samples])
    errors = torch.stack([each.std() / math.sqrt(len(each)) for each in samples]) / means
    slope = float(weights @ means.log())
    half = _NORMAL_95 * float((weights * errors).norm())
    return slope, (slope - half, slope + half)


def run() -> CheckReport:
    """Average over every realisation of small sets, and over many of sets of real digits."""
    problem, point = trained_digits(NUM_ENUMERATED)
    errors = [enumerated_remainder(problem, point, num_train) for num_train in ENUMERATED_TRAIN]
    pool, pool_point = trained_digits(NUM_DIGITS)
    trace = moments(pool, pool_point).trace
    gaps = {
        n: sample_changes(pool, pool_point, n, SAMPLED_LR, NUM_REALISATIONS, seed=n).gap for n in NUM_TRAIN
    }
    power, interval = fit_power(NUM_TRAIN, list(gaps.values()))
    notes = (
        f"orders: tanh MLP 64-4-10 after 100 updates on {NUM_ENUMERATED} digits, which are the distribution; "
        "every realisation",
        f"ratios: the same network and {NUM_DIGITS} digits, {NUM_REALISATIONS:,} realisations of a "
        f"training and a test set of N, η = 2⁻⁹, tr Σ = {trace:.3g}",
    )
    return CheckReport(
        findings=(
            *(one.finding for one in errors),
            *(
                ratio_finding(
                    f"With N = {n} digits the gap opens by η tr Σ/N.",
                    gap.numpy(),
                    predicted_gap(trace, n, SAMPLED_LR),
                    TOLERANCE,
                    remark="Measured over predicted.",
                )
                for n, gap in gaps.items()
            ),
            Finding(
                "The gap is inversely proportional to N.",
                power,
                interval,
                Expectation(within=(-1.1, -0.9)),
                "Its power of N.",
            ),
        ),
        figure=_figure(errors, gaps, trace, notes),
        notes=notes,
    )


def enumerated_remainder(problem: Problem, point: Tensor, num_train: int) -> ErrorCurve:
    """Return what eq. 9 leaves out, at each learning rate."""
    trace = moments(problem, point).trace
    gaps = [expected_gap(problem, point, num_train, lr) for lr in LRS]
    return ErrorCurve(
        f"N = {num_train}",
        f"With N = {num_train} eq. 9 leaves out O(η²).",
        2,
        LRS,
        tuple(abs(gap - predicted_gap(trace, num_train, lr)) for gap, lr in zip(gaps, LRS, strict=True)),
    )


def _figure(
    errors: list[ErrorCurve], gaps: dict[int, Tensor], trace: float, notes: tuple[str, ...]
) -> FigureSeries:
    rows = [mean_interval(gap.numpy() / predicted_gap(trace, n, SAMPLED_LR)) for n, gap in gaps.items()]
    opening = PanelSeries(
        "gap",
        "Real digits, 95 % intervals",
        "log2",
        (curve("real digits", NUM_TRAIN, [mean for mean, _ in rows], [half for _, half in rows]),),
        reference=Reference("eq. 9", 1.0, None),
        x_label="number of training examples N",
        y_label=r"$\langle\delta\varepsilon\rangle\ /\ (\eta\,\mathrm{tr}\,\Sigma/N)$",
        y_scale="linear",
    )
    orders = convergence_panel(
        "Every realisation", errors, x_label="learning rate η", y_label="distance from eq. 9"
    )
    return FigureSeries(
        name="roberts2018/eq9",
        title="The generalisation gap opened by one update",
        kind="curves",
        x_label="",
        y_label="",
        y_scale="log",
        panels=(opening, orders),
        caption=notes,
    )
