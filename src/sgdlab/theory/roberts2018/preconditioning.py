"""Σ⁻¹ as a preconditioner, to slow learning where the gradient fluctuates strongly (roberts2018, §4).

Of the covariance Σ of the gradients of training examples the k leading eigenpairs (λ_i, q_i) are kept; in all
other directions Σ is taken for λ_{k+1}. Up to a factor that the learning rate absorbs, an update is then

    θ ← θ − η P g,   P = 1 − Σ_i (1 − λ_{k+1}/λ_i) q_i q_iᵀ

The eigenpairs are those of the N×N Gram matrix of the examples' gradients, computed anew every few updates.
The paper says "appears to work rather well" and gives no settings: these are ours.

Plain SGD and the preconditioned one have as many learning rates to choose from. A rate is chosen on some
seeds and judged on others: otherwise the luckier of many rates would win.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from sgdlab.analysis.series import FigureSeries, PanelSeries
from sgdlab.sweeps.claims import Expectation
from sgdlab.theory.check import CheckReport, Finding
from sgdlab.theory.derivatives import losses
from sgdlab.theory.drawing import curve
from sgdlab.theory.intervals import mean_interval
from sgdlab.theory.problems import Problem, digits_mlp

NUM_TRAIN = 256
NUM_TEST = 512
BATCH_SIZE = 16
NUM_UPDATES = 320  # 20 epochs
NUM_EIGENPAIRS = 10
REFRESH = 32  # updates between two computations of the eigenpairs
MEASURE = 16  # updates between two measurements of the losses

Method = Literal["SGD", "preconditioned"]
LRS: dict[Method, tuple[float, ...]] = {
    "SGD": tuple(2.0**k for k in range(-5, 2)),
    "preconditioned": tuple(2.0**k for k in range(-4, 3)),
}
NUM_TUNING, NUM_JUDGED = 4, 12  # seeds

_HIDDEN = (8,)


@dataclass(frozen=True)
class Courses:
    """The losses of one method at each learning rate and seed, every MEASURE updates."""

    train: np.ndarray  # (rates, seeds, T)
    test: np.ndarray  # (rates, seeds, T)


@dataclass(frozen=True)
class Eigenpairs:
    """The leading eigenpairs of Σ for each of R runs, and the next eigenvalue."""

    vectors: Tensor  # (R, P, k), orthonormal columns
    values: Tensor  # (R, k), descending
    next_value: Tensor  # (R,)

    def precondition(self, gradients: Tensor) -> Tensor:
        """Return P g for gradients ``(R, P)``."""
        along = torch.einsum("rpk,rp->rk", self.vectors, gradients)
        shrink = 1 - self.next_value[:, None] / self.values
        return gradients - torch.einsum("rpk,rk->rp", self.vectors, shrink * along)


def leading_eigenpairs(gradients: Tensor, num_pairs: int) -> Eigenpairs:
    """Return the leading eigenpairs of the covariance, over N, of gradients ``(R, N, P)``; k below N − 1."""
    away = gradients - gradients.mean(dim=1, keepdim=True)
    values, vectors = torch.linalg.eigh(away @ away.mT / away.shape[1])
    values, vectors = values.flip(-1), vectors.flip(-1)[:, :, :num_pairs]
    columns = away.mT @ vectors
    return Eigenpairs(
        columns / columns.norm(dim=1, keepdim=True), values[:, :num_pairs], values[:, num_pairs]
    )


def train(method: Method, lrs: tuple[float, ...], seeds: range) -> Courses:
    """Train every rate with every seed, which sets initialisation and order, the same for all rates."""
    problem = digits_mlp(NUM_TRAIN + NUM_TEST, _HIDDEN)
    starts = torch.stack([digits_mlp(1, _HIDDEN, seed=seed).start for seed in seeds])
    points = starts.repeat(len(lrs), 1)  # runs: rate by rate, in each all seeds
    rates = torch.tensor(lrs, dtype=torch.float64).repeat_interleave(len(seeds))[:, None]
    batches = torch.stack([_batches(seed) for seed in seeds], dim=1).repeat(1, len(lrs), 1)  # (T, R, B)
    measured = [_measure(problem, points)]
    for update, examples in enumerate(batches):
        if method == "preconditioned" and update % REFRESH == 0:
            pairs = leading_eigenpairs(_example_gradients(problem, points), NUM_EIGENPAIRS)
        gradients = problem.gradients(points, examples)
        points = points - rates * (pairs.precondition(gradients) if method == "preconditioned" else gradients)
        if (update + 1) % MEASURE == 0:
            measured.append(_measure(problem, points))
    courses = torch.stack(measured, dim=-1).reshape(2, len(lrs), len(seeds), -1).numpy()
    return Courses(courses[0], courses[1])


def run() -> CheckReport:
    """Tune both methods alike, and compare them on seeds that had no part in it."""
    seeds = range(NUM_TUNING + NUM_JUDGED)
    courses = {method: train(method, lrs, seeds) for method, lrs in LRS.items()}
    of_train = {method: _tune(LRS[method], each.train) for method, each in courses.items()}
    of_test = {method: _tune(LRS[method], each.test) for method, each in courses.items()}
    cost = 1 + NUM_TRAIN / (REFRESH * BATCH_SIZE)  # gradients of examples, over those of plain SGD
    at_equal_cost = int(NUM_UPDATES / cost) // MEASURE
    notes = (
        f"tanh MLP 64-8-10 on {NUM_TRAIN} digits, {NUM_TEST} others as test set; "
        f"B = {BATCH_SIZE}, {NUM_UPDATES} updates",
        f"{NUM_EIGENPAIRS} eigenpairs of Σ, computed anew every {REFRESH} updates from a gradient of each "
        f"training example: {cost:g} times SGD's gradients, so that {at_equal_cost * MEASURE} updates cost "
        f"what {NUM_UPDATES} of SGD's do; the decomposition itself isn't counted",
        f"{len(LRS['SGD'])} learning rates, powers of two, for each method; chosen for the mean final "
        f"loss of {NUM_TUNING} seeds, compared on {NUM_JUDGED} others, paired by seed",
        *(
            f"{method}: η = {of_train[method].lr:g} for the training loss, {of_test[method].lr:g} for the "
            "test loss"
            + ("; at an end of the grid" if of_train[method].at_edge or of_test[method].at_edge else "")
            for method in LRS
        ),
    )
    return CheckReport(
        findings=(
            _difference("With Σ⁻¹ the training loss ends lower.", of_train, at=-1),
            _difference("With Σ⁻¹ the test loss ends lower.", of_test, at=-1),
            _difference("At SGD's cost in gradients its training loss is lower.", of_train, at=at_equal_cost),
            _difference("At SGD's cost in gradients its test loss is lower.", of_test, at=at_equal_cost),
        ),
        figure=_figure(of_train, of_test, notes),
        notes=notes,
    )


@dataclass(frozen=True)
class Tuned:
    """A method at its learning rate, on the seeds that had no part in choosing it."""

    lr: float
    at_edge: bool  # the rate is the least or the greatest of the grid
    losses: np.ndarray  # (seeds, T)


def _tune(lrs: tuple[float, ...], values: np.ndarray) -> Tuned:
    """Choose the rate of the least mean final loss among ``(rates, seeds, T)``; divergence counts as ∞."""
    final = np.nan_to_num(values[:, :NUM_TUNING, -1], nan=np.inf).mean(axis=1)
    best = int(final.argmin())
    return Tuned(lrs[best], best in (0, len(lrs) - 1), values[best, NUM_TUNING:])


def _difference(says: str, tuned: dict[Method, Tuned], at: int) -> Finding:
    """Compare the preconditioned loss at one measurement with SGD's at its last, paired by seed."""
    plain, other = tuned["SGD"].losses[:, -1], tuned["preconditioned"].losses[:, at]
    mean, half = mean_interval(other - plain)
    return Finding(
        says,
        mean,
        (mean - half, mean + half),
        Expectation(below=0.0),
        f"Difference from SGD: {other.mean():.3g} against {plain.mean():.3g}.",
    )


def _batches(seed: int) -> Tensor:
    """Shuffled epochs, each example once in each: ``(T, B)``."""
    generator = torch.Generator().manual_seed(seed)
    num_epochs = NUM_UPDATES * BATCH_SIZE // NUM_TRAIN
    order = [torch.randperm(NUM_TRAIN, generator=generator) for _ in range(num_epochs)]
    return torch.cat(order).view(NUM_UPDATES, BATCH_SIZE)


def _example_gradients(problem: Problem, points: Tensor) -> Tensor:
    examples = torch.arange(NUM_TRAIN)[:, None]
    return torch.stack([problem.gradients(point.expand(NUM_TRAIN, -1), examples) for point in points])


def _measure(problem: Problem, points: Tensor) -> Tensor:
    """Return training and test losses, ``(2, R)``."""
    with torch.no_grad():
        everyone = torch.arange(NUM_TRAIN + NUM_TEST)
        halves = (everyone[:NUM_TRAIN], everyone[NUM_TRAIN:])
        return torch.stack([losses(problem, points, half.expand(len(points), -1)) for half in halves])


def _figure(
    of_train: dict[Method, Tuned], of_test: dict[Method, Tuned], notes: tuple[str, ...]
) -> FigureSeries:
    updates = range(0, NUM_UPDATES + 1, MEASURE)
    return FigureSeries(
        name="roberts2018/precond",
        title="Σ⁻¹ as a preconditioner",
        kind="trajectories",
        x_label="updates",
        y_label="loss, mean ± standard error",
        y_scale="log",
        panels=tuple(
            PanelSeries(
                title,
                title,
                "linear",
                tuple(
                    curve(
                        method,
                        updates,
                        each.losses.mean(axis=0).tolist(),
                        (each.losses.std(axis=0, ddof=1) / math.sqrt(NUM_JUDGED)).tolist(),
                    )
                    for method, each in tuned.items()
                ),
                reference=None,
            )
            for title, tuned in (
                ("Training", of_train),
                ("Test", of_test),
            )
        ),
        caption=notes,
    )
