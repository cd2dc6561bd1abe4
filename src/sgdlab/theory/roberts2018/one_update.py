"""The change of a loss by one update, on average over data (roberts2018, eq. 6–8).

    ⟨δℓ^(A,B)⟩ = −η[‖G‖² + |A∩B|/(|A||B|)·tr Σ] + O(η²)                                        (eq. 7)

for the loss on a set A after an update on a set B that share |A∩B| draws. A = B with N draws is the training
loss, which falls by η tr Σ/N more than that of a test set, which shares none (eq. 8).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from sgdlab.analysis.series import FigureSeries, PanelSeries
from sgdlab.theory.agreement import agreement_finding, ratio_finding
from sgdlab.theory.check import CheckReport, Finding
from sgdlab.theory.convergence import ErrorCurve, convergence_panel
from sgdlab.theory.derivatives import example_gradients
from sgdlab.theory.drawing import curve
from sgdlab.theory.intervals import mean_interval
from sgdlab.theory.problems import Problem
from sgdlab.theory.roberts2018.realisations import (
    NUM_DIGITS,
    Changes,
    Distribution,
    change_of_loss,
    moments,
    overlapping_sets,
    sample_changes,
    trained_digits,
)

NUM_ENUMERATED = 4  # digits: so few that every realisation can be formed
OVERLAPS = ((2, 2, 0), (2, 2, 1), (2, 2, 2), (3, 2, 1), (1, 2, 1), (3, 3, 3))  # |A|, |B|, |A∩B|
LRS = tuple(2.0**k for k in range(-13, -6))

SAMPLED_LR = (
    2.0**-9
)  # η times the Hessian's largest eigenvalue, 7.6, is 0.015: what eq. 7 leaves out is small
NUM_TRAIN = (8, 16, 32, 64, 128)
NUM_REALISATIONS = 5_000
TOLERANCE = 0.1


def predicted_change(distribution: Distribution, num_a: int, num_b: int, num_common: int, lr: float) -> float:
    """Return eq. 7."""
    return -lr * (distribution.mean_square + num_common / (num_a * num_b) * distribution.trace)


@dataclass(frozen=True)
class Overlap:
    """Two sets of a distribution, in every realisation."""

    sizes: tuple[int, int, int]  # |A|, |B|, |A∩B|
    product: float  # ⟨g_A·g_B⟩
    predicted_product: float  # ‖G‖² + |A∩B|/(|A||B|)·tr Σ
    remainders: tuple[float, ...]  # (P,) |⟨δℓ⟩ − eq. 7| at each of LRS


def enumerate_overlap(problem: Problem, point: Tensor, sizes: tuple[int, int, int]) -> Overlap:
    """Average over every realisation of two sets, at a point ``(P,)``."""
    distribution = moments(problem, point)
    of, by = overlapping_sets(problem.num_examples, *sizes)
    gradients = example_gradients(problem, point)
    products = (gradients[of.examples].mean(dim=1) * gradients[by.examples].mean(dim=1)).sum(dim=1)
    changes = [float(of.mean(change_of_loss(problem, point, of.examples, by.examples, lr))) for lr in LRS]
    return Overlap(
        sizes=sizes,
        product=float(of.mean(products)),
        predicted_product=-predicted_change(distribution, *sizes, lr=1.0),
        remainders=tuple(
            abs(change - predicted_change(distribution, *sizes, lr))
            for change, lr in zip(changes, LRS, strict=True)
        ),
    )


def run() -> CheckReport:
    """Average over every realisation of small sets, and over many of sets of real digits."""
    problem, point = trained_digits(NUM_ENUMERATED)
    overlaps = [enumerate_overlap(problem, point, sizes) for sizes in OVERLAPS]
    errors = [
        ErrorCurve(
            f"|A|, |B|, |A∩B| = {', '.join(map(str, overlap.sizes))}",
            f"With |A|, |B|, |A∩B| = {', '.join(map(str, overlap.sizes))} eq. 7 leaves out O(η²).",
            2,
            LRS,
            overlap.remainders,
        )
        for overlap in overlaps
    ]
    pool, pool_point = trained_digits(NUM_DIGITS)
    distribution = moments(pool, pool_point)
    sampled = {
        n: sample_changes(pool, pool_point, n, SAMPLED_LR, NUM_REALISATIONS, seed=n) for n in NUM_TRAIN
    }
    notes = (
        f"orders: tanh MLP 64-4-10 after 100 updates on {NUM_ENUMERATED} digits, which are the distribution; "
        "every realisation",
        f"ratios: the same network and {NUM_DIGITS} digits, {NUM_REALISATIONS:,} realisations, "
        f"η = 2⁻⁹; ‖G‖² = {distribution.mean_square:.3g}, tr Σ = {distribution.trace:.3g}",
    )
    return CheckReport(
        findings=(
            agreement_finding(
                "⟨g_A·g_B⟩ is ‖G‖² + |A∩B|/(|A||B|) tr Σ.",
                max(abs(one.product / one.predicted_product - 1) for one in overlaps),
                remark=f"Largest relative deviation over {len(OVERLAPS)} overlaps.",
            ),
            *(one.finding for one in errors),
            *_sampled_findings(sampled, distribution),
        ),
        figure=_figure(errors, sampled, distribution, notes),
        notes=notes,
    )


def _sampled_findings(sampled: dict[int, Changes], distribution: Distribution) -> tuple[Finding, ...]:
    num_train = NUM_TRAIN[0]
    train = sampled[num_train].train.numpy()
    share = distribution.trace / num_train / (distribution.mean_square + distribution.trace / num_train)
    return (
        ratio_finding(
            f"The training loss of N = {num_train} digits falls by η(‖G‖² + tr Σ/N) (eq. 8).",
            train,
            predicted_change(distribution, num_train, num_train, num_train, SAMPLED_LR),
            TOLERANCE,
            remark=f"Measured over predicted; tr Σ/N is {share:.0%} of it.",
        ),
        ratio_finding(
            f"The test loss falls by η‖G‖², at N = {NUM_TRAIN[-1]} (eq. 8).",
            sampled[NUM_TRAIN[-1]].test.numpy(),
            predicted_change(distribution, NUM_TRAIN[-1], NUM_TRAIN[-1], 0, SAMPLED_LR),
            TOLERANCE,
            remark="Measured over predicted.",
        ),
    )


def _figure(
    errors: list[ErrorCurve], sampled: dict[int, Changes], distribution: Distribution, notes: tuple[str, ...]
) -> FigureSeries:
    rows = {
        "training loss": [mean_interval(-changes.train.numpy() / SAMPLED_LR) for changes in sampled.values()],
        "test loss": [mean_interval(-changes.test.numpy() / SAMPLED_LR) for changes in sampled.values()],
    }
    said = {
        r"$\|G\|^2 + \mathrm{tr}\,\Sigma/N$": [
            -predicted_change(distribution, n, n, n, lr=1.0) for n in NUM_TRAIN
        ],
        r"$\|G\|^2$": [distribution.mean_square] * len(NUM_TRAIN),
    }
    falls = PanelSeries(
        "falls",
        "Real digits, 95 % intervals",
        "log2",
        (
            *(curve(label, NUM_TRAIN, values) for label, values in said.items()),
            *(
                curve(label, NUM_TRAIN, [mean for mean, _ in row], [half for _, half in row])
                for label, row in rows.items()
            ),
        ),
        reference=None,
        x_label="number of training examples N",
        y_label="fall of the loss / η",
    )
    orders = convergence_panel(
        "Every realisation", errors, x_label="learning rate η", y_label="distance from eq. 7"
    )
    return FigureSeries(
        name="roberts2018/eq7",
        title="Change of the loss in one update",
        kind="curves",
        x_label="",
        y_label="",
        y_scale="log",
        panels=(falls, orders),
        caption=notes,
    )
