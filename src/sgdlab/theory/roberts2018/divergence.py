"""The opening of the generalisation gap during training, update by update (roberts2018, §4).

Full-batch training on N examples changes the gap, loss of a test set less training loss, by

    δε = η g_train·(g_train − g_test) + O(η²)                                                 (eq. 9)

with the mean gradients of the two sets at hand. Where the distributions of gradients differ, the paper prints

    η tr Σ_train/N + η G_train·(G_test − G_train).

By eq. 9 the sign of its second term is the other one: over training sets drawn from a distribution of mean
G_train, ⟨δε⟩ = η tr Σ_train/N + η G_train·(G_train − G_test). And with the measured g_train for G_train the
first term is counted twice, as ⟨‖g_train‖²⟩ = ‖G_train‖² + tr Σ_train/N already holds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from sgdlab.analysis.series import FigureSeries, PanelSeries, Series
from sgdlab.sweeps.claims import Expectation
from sgdlab.theory.check import CheckReport, Finding
from sgdlab.theory.derivatives import losses, trace_of_covariance
from sgdlab.theory.drawing import curve
from sgdlab.theory.intervals import mean_interval
from sgdlab.theory.problems import Problem, digits_mlp

NUM_TRAIN = 64
NUM_TEST = 512
LR = 0.05
NUM_UPDATES = 400
SEEDS = tuple(range(8))  # each its own initialisation and its own training digits
_HIDDEN = (8,)


@dataclass(frozen=True)
class Course:
    """One training: what each update changed, and what was said of it before; each ``(T,)``, over η."""

    measured: np.ndarray  # change of the gap
    corrected: np.ndarray  # g_train·(g_train − g_test)
    printed: np.ndarray  # tr Σ_train/N + g_train·(g_test − g_train)
    twice: np.ndarray  # tr Σ_train/N + g_train·(g_train − g_test)
    gap: np.ndarray  # (T + 1,) the gap itself, before each update and after the last


def train_and_track(seed: int) -> Course:
    """Train by full-batch gradient descent on digits, and follow the gap."""
    problem, train, test = _sets(seed)
    point = problem.start
    rows: list[tuple[float, float, float]] = []
    gaps = [_gap(problem, point, train, test)]
    for _ in range(NUM_UPDATES):
        of_examples = problem.gradients(point.expand(NUM_TRAIN, -1), train[:, None])
        of_train = of_examples.mean(dim=0)
        (of_test,) = problem.gradients(point[None], test[None])
        noise = float(trace_of_covariance(of_examples)) / (NUM_TRAIN - 1)  # Σ over N − 1, then over N
        corrected = float(of_train @ (of_train - of_test))
        point = point - LR * of_train
        gaps.append(_gap(problem, point, train, test))
        rows.append(((gaps[-1] - gaps[-2]) / LR, corrected, noise))
    measured, said, noise_terms = np.array(rows).T
    return Course(measured, said, noise_terms - said, noise_terms + said, np.array(gaps))


def run() -> CheckReport:
    """Track eight trainings, and regress the measured changes on both forms."""
    courses = [train_and_track(seed) for seed in SEEDS]
    forms = {
        "corrected": [course.corrected for course in courses],
        "printed": [course.printed for course in courses],
        "twice": [course.twice for course in courses],
    }
    slopes, correlations, totals = (
        {
            form: np.array([judge(course, said) for course, said in zip(courses, rows, strict=True)])
            for form, rows in forms.items()
        }
        for judge in (_slope, _correlation, _total)
    )
    notes = (
        f"tanh MLP 64-8-10, N = {NUM_TRAIN} digits and {NUM_TEST} others as test set, full batch, η = {LR}, "
        f"{NUM_UPDATES} updates; {len(SEEDS)} initialisations and training sets",
        "intervals are over the trainings; drawn: their mean and standard deviation",
        "measured means stand for G; tr Σ_train is taken over N − 1",
    )
    near_one = Expectation(within=(0.9, 1.1))
    correlated = Expectation(above=0.9)
    return CheckReport(
        findings=(
            _over_trainings(
                "The gap opens by η g_train·(g_train − g_test): slope.",
                slopes["corrected"],
                near_one,
                "Of the measured change on the predicted one, over the updates of a training.",
            ),
            _over_trainings("The same: correlation.", correlations["corrected"], correlated),
            _over_trainings(
                "The same: summed over training.", totals["corrected"], near_one, "Predicted over measured."
            ),
            _over_trainings(
                "The gap opens by η tr Σ_train/N + η G_train·(G_test − G_train), as printed: slope.",
                slopes["printed"],
                near_one,
                "By eq. 9 the sign of the second term is the other one.",
            ),
            _over_trainings("The same: correlation.", correlations["printed"], correlated),
            _over_trainings("The same: summed over training.", totals["printed"], near_one),
            _over_trainings(
                "With that sign corrected, and the measured g_train for G_train: summed over training.",
                totals["twice"],
                near_one,
                "‖g_train‖² already holds tr Σ_train/N, which counts twice.",
            ),
        ),
        figure=_figure(courses, notes),
        notes=notes,
    )


def _sets(seed: int) -> tuple[Problem, Tensor, Tensor]:
    """Each seed trains on digits of its own; the test set is the same for all and shares none of them."""
    first = NUM_TEST + seed * NUM_TRAIN
    problem = digits_mlp(NUM_TEST + len(SEEDS) * NUM_TRAIN, _HIDDEN, seed=seed)
    return problem, torch.arange(first, first + NUM_TRAIN), torch.arange(NUM_TEST)


def _gap(problem: Problem, point: Tensor, train: Tensor, test: Tensor) -> float:
    return float(losses(problem, point[None], test[None]) - losses(problem, point[None], train[None]))


def _over_trainings(says: str, values: np.ndarray, expect: Expectation, remark: str = "") -> Finding:
    mean, half = mean_interval(values)
    return Finding(says, mean, (mean - half, mean + half), expect, remark)


def _slope(course: Course, said: np.ndarray) -> float:
    return float(stats.linregress(said, course.measured).slope)


def _correlation(course: Course, said: np.ndarray) -> float:
    return float(np.corrcoef(said, course.measured)[0, 1])


def _total(course: Course, said: np.ndarray) -> float:
    return float(said.sum() / course.measured.sum())


def _figure(courses: list[Course], notes: tuple[str, ...]) -> FigureSeries:
    """Draw the gap as it was measured, and as each form adds up from the start."""
    updates = range(NUM_UPDATES + 1)
    start = np.array([course.gap[0] for course in courses])[:, None]
    sums = {
        "measured": [course.gap for course in courses],
        "corrected": [_added_up(course.corrected) for course in courses] + start,
        "printed": [_added_up(course.printed) for course in courses] + start,
        "corrected, tr Σ/N twice": [_added_up(course.twice) for course in courses] + start,
    }
    changes = {
        "measured": [course.measured for course in courses],
        "corrected": [course.corrected for course in courses],
        "printed": [course.printed for course in courses],
        "corrected, tr Σ/N twice": [course.twice for course in courses],
    }
    return FigureSeries(
        name="roberts2018/diverge",
        title="The generalisation gap during training",
        kind="trajectories",
        x_label="updates",
        y_label="",
        y_scale="linear",
        panels=(
            PanelSeries("gap", "Added up", "linear", _curves(updates, sums), reference=None, y_label="gap"),
            PanelSeries(
                "change",
                "Update by update",
                "linear",
                _curves(updates[1:], changes),
                reference=None,
                y_range=(-0.1, 0.6),
                y_label="change of the gap / η",
            ),
        ),
        caption=notes,
    )


def _added_up(changes: np.ndarray) -> np.ndarray:
    return LR * np.concatenate([[0.0], changes.cumsum()])


def _curves(updates: range, rows: Mapping[str, Sequence[np.ndarray] | np.ndarray]) -> tuple[Series, ...]:
    return tuple(
        curve(label, updates, np.mean(each, axis=0).tolist(), np.std(each, axis=0, ddof=1).tolist())
        for label, each in rows.items()
    )
