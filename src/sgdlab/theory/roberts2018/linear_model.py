"""SGD's implicit regulariser of a linear model in closed form (roberts2018, §4).

With y = w*ᵀx + ν, x ~ N(0, S), ν ~ N(0, σ²), the loss ½(wᵀx − y)² and u = w − w*, the gradient of one example
is x(xᵀu − ν). By Isserlis' theorem for the fourth moments of x,

    G = Su,   Σ = (uᵀSu + σ²)·S + S u uᵀ S,   tr Σ = (uᵀSu + σ²)·tr S + ‖Su‖²,

so that ¼⟨δε⟩ = (η/4N)[uᵀ(tr S·S + S²)u + σ² tr S]. With S = 1 in d dimensions this is (η/4N)(d + 1)‖u‖² and
a constant: an L2 penalty, as the paper says, but on w − w*, about the truth; not on w. The loss being
quadratic, eq. 13 has no remainder: ⟨δg⟩ = −(η/N)(tr S·S + S²)u for every η.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from sgdlab.analysis.series import FigureSeries, PanelSeries, Reference
from sgdlab.theory.agreement import agreement_finding, ratio_finding
from sgdlab.theory.check import CheckReport, Finding
from sgdlab.theory.drawing import curve
from sgdlab.theory.intervals import mean_interval

LR = 0.05
NUM_TRAIN = 8  # N, two halves of four
NUM_REALISATIONS = 100_000
DISTANCES = (0.25, 0.5, 1.0, 2.0, 4.0)  # ‖w − w*‖
TOLERANCE = 0.1

_NODES = 3  # Gauss–Hermite with three nodes an axis is exact to degree 5 in it; Σ has degree 4


@dataclass(frozen=True)
class LinearModel:
    """The distribution of the data."""

    covariance: np.ndarray  # S (d, d)
    noise_variance: float  # σ²

    def gradient_covariance(self, offset: np.ndarray) -> np.ndarray:
        """Return Σ ``(d, d)`` at u = `offset` ``(d,)``."""
        mean = self.covariance @ offset
        variance = offset @ mean + self.noise_variance
        return np.asarray(variance * self.covariance + np.outer(mean, mean))

    def gap_gradient(self, offset: np.ndarray, num_train: int, lr: float) -> np.ndarray:
        """Return ∂⟨δε⟩ ``(d,)``."""
        shape = np.trace(self.covariance) * self.covariance + self.covariance @ self.covariance
        return np.asarray(2 * lr / num_train * shape @ offset)

    def examples(self, shape: tuple[int, ...], generator: np.random.Generator) -> Examples:
        """Draw examples; w* is the origin."""
        root = np.linalg.cholesky(self.covariance)
        inputs = generator.standard_normal((*shape, len(root))) @ root.T
        return Examples(inputs, np.sqrt(self.noise_variance) * generator.standard_normal(shape))


@dataclass(frozen=True)
class Examples:
    """Inputs and noise of the labels."""

    inputs: np.ndarray  # (…, d)
    noise: np.ndarray  # (…)

    def gradients(self, offset: np.ndarray) -> np.ndarray:
        """Return each example's gradient, ``(…, d)``, at offsets that broadcast to them."""
        residuals = (self.inputs * offset).sum(axis=-1) - self.noise
        return np.asarray(self.inputs * residuals[..., None])


def integrate_covariance(model: LinearModel, offset: np.ndarray) -> np.ndarray:
    """Return Σ ``(d, d)`` as an integral over x and ν by Gauss–Hermite nodes, exact but for rounding."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    weights = weights / weights.sum()
    dimension = len(offset)
    grid = np.array(list(product(nodes, repeat=dimension + 1)))
    probabilities = np.prod(np.array(list(product(weights, repeat=dimension + 1))), axis=1)
    root = np.linalg.cholesky(model.covariance)
    examples = Examples(grid[:, :-1] @ root.T, np.sqrt(model.noise_variance) * grid[:, -1])
    gradients = examples.gradients(offset)
    away = gradients - probabilities @ gradients
    return np.asarray(np.einsum("k,ki,kj->ij", probabilities, away, away))


def pair_up(covariance: np.ndarray, indices: tuple[int, ...]) -> float:
    """Return E of a product of Gaussian components by Isserlis' theorem: the sum over all pairings."""
    return sum(float(np.prod([covariance[i, j] for i, j in pairing])) for pairing in _pairings(indices))


def run() -> CheckReport:
    """Compare Σ with an exact integral and with pairings, and its consequences with sampled updates."""
    anisotropic = LinearModel(np.array([[2.0, 0.5, 0.0], [0.5, 1.0, -0.2], [0.0, -0.2, 0.3]]), 0.5)
    offset = np.array([0.7, -1.1, 0.4])
    said = anisotropic.gradient_covariance(offset)
    isotropic = LinearModel(np.eye(4), 0.5)
    notes = (
        "moments: d = 3, S with eigenvalues from "
        f"{np.linalg.eigvalsh(anisotropic.covariance)[0]:.2g} to "
        f"{np.linalg.eigvalsh(anisotropic.covariance)[-1]:.2g}, σ² = 0.5",
        f"updates: N = {NUM_TRAIN}, η = {LR}, {NUM_REALISATIONS:,} realisations; drawn: S = 1, d = 4",
    )
    trace = sample_trace(anisotropic, offset)
    return CheckReport(
        findings=(
            agreement_finding(
                "Σ is (uᵀSu + σ²)S + S u uᵀ S: integrated over x and ν.",
                _relative(integrate_covariance(anisotropic, offset), said),
                remark="By Gauss–Hermite nodes, exact for this degree; relative distance.",
            ),
            agreement_finding(
                "The same, by every pairing of the Gaussian factors (Isserlis).",
                _relative(paired_covariance(anisotropic, offset), said),
                remark="Relative distance.",
            ),
            ratio_finding(
                "tr Σ is (uᵀSu + σ²) tr S + ‖Su‖².",
                trace,
                float(np.trace(said)),
                TOLERANCE,
                remark="Sampled over predicted.",
            ),
            _drift_finding(anisotropic, offset, "⟨δg⟩ is −(η/N)(tr S·S + S²)u, any S"),
            _drift_finding(isotropic, np.array([1.0, -1.0, 0.5, 2.0]), "⟨δg⟩ is −(η/N)(d + 1)u, S = 1"),
        ),
        figure=_figure(isotropic, notes),
        notes=notes,
    )


def sample_trace(model: LinearModel, offset: np.ndarray) -> np.ndarray:
    """Return independent unbiased estimates of tr Σ, ``(R,)``, each from a training set of N."""
    examples = model.examples((NUM_REALISATIONS, NUM_TRAIN), np.random.default_rng(0))
    spreads: np.ndarray = examples.gradients(offset).var(axis=1, ddof=1).sum(axis=-1)
    return spreads


def sample_difference(model: LinearModel, offset: np.ndarray, seed: int) -> np.ndarray:
    """Return δg ``(R, d)``: GD's less SGD's over two updates, each half first once and the two averaged."""
    examples = model.examples((NUM_REALISATIONS, NUM_TRAIN), np.random.default_rng(seed))
    half = NUM_TRAIN // 2
    first = Examples(examples.inputs[:, :half], examples.noise[:, :half])
    second = Examples(examples.inputs[:, half:], examples.noise[:, half:])
    of_gd = _updates(offset, examples, examples)
    of_sgd = (_updates(offset, first, second) + _updates(offset, second, first)) / 2
    return np.asarray((of_sgd - of_gd) / LR)


def paired_covariance(model: LinearModel, offset: np.ndarray) -> np.ndarray:
    """Return Σ from the fourth moments of (x, ν) by pairings; ν is one more component, of coefficient −1."""
    d = len(offset)
    joint = np.zeros((d + 1, d + 1))
    joint[:d, :d], joint[d, d] = model.covariance, model.noise_variance
    coefficients = np.append(offset, -1.0)
    second = np.zeros((d, d))
    for i, j, k, m in product(range(d), range(d), range(d + 1), range(d + 1)):
        second[i, j] += coefficients[k] * coefficients[m] * pair_up(joint, (i, j, k, m))
    mean = np.array([sum(coefficients[k] * pair_up(joint, (i, k)) for k in range(d + 1)) for i in range(d)])
    return np.asarray(second - np.outer(mean, mean))


def _updates(offset: np.ndarray, first: Examples, second: Examples) -> np.ndarray:
    """Return the displacement ``(R, d)`` after an update on each of two sets."""
    moved = -LR * first.gradients(offset).mean(axis=1)
    return np.asarray(moved - LR * second.gradients((offset + moved)[:, None]).mean(axis=1))


def _drift_finding(model: LinearModel, offset: np.ndarray, says: str) -> Finding:
    """Hold ⟨δg⟩ along ∂⟨δε⟩ against −½ of its length."""
    slope = model.gap_gradient(offset, NUM_TRAIN, LR)
    along = sample_difference(model, offset, seed=1) @ slope / (slope @ slope)
    return ratio_finding(
        f"{says}: along u's image, over the prediction.",
        along,
        -0.5,
        TOLERANCE,
        remark="Eq. 13 in closed form.",
    )


def _pairings(indices: tuple[int, ...]) -> Iterator[list[tuple[int, int]]]:
    if not indices:
        yield []
        return
    first, rest = indices[0], indices[1:]
    for place, partner in enumerate(rest):
        for others in _pairings(rest[:place] + rest[place + 1 :]):
            yield [(first, partner), *others]


def _relative(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def _figure(model: LinearModel, notes: tuple[str, ...]) -> FigureSeries:
    """Draw the pull towards w* against the distance from it, measured and by the closed form."""
    direction = np.eye(len(model.covariance))[0]
    pulls = [-sample_difference(model, distance * direction, seed=2)[:, 0] for distance in DISTANCES]
    said = [float(model.gap_gradient(distance * direction, NUM_TRAIN, LR)[0]) / 2 for distance in DISTANCES]
    measured = [mean_interval(pull) for pull in pulls]
    ratios = [mean_interval(pull / one) for pull, one in zip(pulls, said, strict=True)]
    label = "−⟨δg⟩ along w − w*"
    return FigureSeries(
        name="roberts2018/linear",
        title="The implicit regulariser of a linear model",
        kind="curves",
        x_label="‖w − w*‖",
        y_label="",
        y_scale="log",
        panels=(
            PanelSeries(
                "pull",
                "Pull of SGD towards w*",
                "log2",
                (
                    curve("(η/N)(d + 1)‖w − w*‖", DISTANCES, said),
                    curve(label, DISTANCES, [mean for mean, _ in measured], [half for _, half in measured]),
                ),
                reference=None,
                y_label="pull",
            ),
            PanelSeries(
                "ratio",
                "95 % intervals",
                "log2",
                (curve(label, DISTANCES, [mean for mean, _ in ratios], [half for _, half in ratios]),),
                reference=Reference("closed form", 1.0, None),
                y_label="measured pull / closed form",
                y_scale="linear",
            ),
        ),
        caption=notes,
    )
