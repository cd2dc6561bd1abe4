"""Two updates on half batches against two on the whole batch (roberts2018, eq. 10–13).

With B and C of N/2 examples each, and δθ_GD − δθ_SGD = −η δg after two updates,

    δg = −(η/8)[∂‖g_B − g_C‖² + 4(h_B g_C − h_C g_B)] + O(η²)                                (eq. 12)
    ⟨δg⟩ = −½ ∂⟨δε⟩ + O(η²),  ⟨δε⟩ = η tr Σ/N                                               (eq. 13)

Both hold as they are printed. δg is GD's gradient less SGD's, over both updates: so SGD adds ¼∂⟨δε⟩ an
update. The second bracket changes sign with the order of B and C and has no mean.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import grad, vmap

from sgdlab.analysis.series import FigureSeries
from sgdlab.sweeps.claims import Expectation
from sgdlab.theory.agreement import agreement_finding
from sgdlab.theory.check import CheckReport, Finding
from sgdlab.theory.convergence import ErrorCurve, convergence_panel
from sgdlab.theory.draws import draws_with_replacement, independent
from sgdlab.theory.intervals import mean_interval
from sgdlab.theory.problems import Problem
from sgdlab.theory.roberts2018.half_batches import displacement, hessian_products, noise_trace, spread
from sgdlab.theory.roberts2018.realisations import NUM_DIGITS, trained_digits

NUM_ENUMERATED = 4
HALF = 2  # N/2 of the enumerated realisations
LRS = tuple(2.0**k for k in range(-13, -6))

SAMPLED_HALF = 8
SAMPLED_LR = 2.0**-9
NUM_REALISATIONS = 10_000
_CHUNK = 500


def gradient_difference(problem: Problem, point: Tensor, first: Tensor, second: Tensor, lr: float) -> Tensor:
    """Return δg ``(R, P)`` by carrying out the updates on B and C ``(R, N/2)`` and twice on their union."""
    union = torch.cat([first, second], dim=1)
    of_sgd = displacement(problem, point, torch.stack([first, second]), lr)
    of_gd = displacement(problem, point, torch.stack([union, union]), lr)
    return -(of_gd - of_sgd) / lr


def predicted_difference(problem: Problem, point: Tensor, first: Tensor, second: Tensor, lr: float) -> Tensor:
    """Return eq. 12, ``(R, P)``; ‖g_B − g_C‖² is twice the spread of the two about their mean."""
    pairs = torch.stack([first, second], dim=1)
    even: Tensor = 2 * vmap(lambda batches: grad(spread(problem, batches))(point))(pairs)
    return -lr / 8 * (even + 4 * commutator(problem, point, first, second))


def commutator(problem: Problem, point: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Return h_B g_C − h_C g_B, ``(R, P)``, which changes sign with the order."""
    points = point.expand(len(first), -1)
    of_first, of_second = problem.gradients(points, first), problem.gradients(points, second)
    return hessian_products(problem, point, first, of_second) - hessian_products(
        problem, point, second, of_first
    )


def gap_gradient(problem: Problem, point: Tensor, num_train: int) -> Tensor:
    """Return ∂(tr Σ)/N, ``(P,)``: ∂⟨δε⟩ is η times it."""
    everyone = torch.arange(problem.num_examples)
    slope: Tensor = grad(noise_trace(problem, everyone))(point)
    return slope / num_train


def run() -> CheckReport:
    """Evaluate eq. 12 on every realisation of small sets, and eq. 13 as their mean; sample the latter."""
    problem, point = trained_digits(NUM_ENUMERATED)
    halves = draws_with_replacement(NUM_ENUMERATED, HALF)
    first, second = independent(halves, halves)
    mean_of_12 = first.mean(predicted_difference(problem, point, first.examples, second.examples, lr=1.0))
    slope = gap_gradient(problem, point, 2 * HALF)
    each = _orders_of_one(problem, point, first.examples, second.examples)
    measured = [
        first.mean(gradient_difference(problem, point, first.examples, second.examples, lr)) for lr in LRS
    ]
    mean = _orders_of_mean(measured, slope)
    coefficient, interval = sample_coefficient()
    notes = (
        f"orders: tanh MLP 64-4-10 after 100 updates on {NUM_ENUMERATED} digits, which are the distribution; "
        f"every pair of sets of {HALF}, drawn independently",
        f"coefficient: the same network and {NUM_DIGITS} digits, N = {2 * SAMPLED_HALF}, "
        f"{NUM_REALISATIONS:,} realisations, each in both orders, η = 2⁻⁹",
    )
    return CheckReport(
        findings=(
            *(one.finding for one in each),
            agreement_finding(
                "The mean of eq. 12 over realisations is −½∂⟨δε⟩ (eq. 13).",
                float((mean_of_12 + slope / 2).norm() / (slope / 2).norm()),
                remark="Relative distance: no sign and no factor of eq. 12 or 13 is wrong.",
            ),
            *(one.finding for one in mean),
            Finding(
                "⟨δg⟩ is −½∂⟨δε⟩ on real digits.",
                coefficient,
                interval,
                Expectation(within=(-0.55, -0.45)),
                "⟨δg⟩ along ∂⟨δε⟩, over its length.",
            ),
        ),
        figure=FigureSeries(
            name="roberts2018/eq12-13",
            title="Two half-batch updates against two full-batch updates",
            kind="curves",
            x_label="learning rate η",
            y_label="distance from δg",
            y_scale="log",
            panels=(
                convergence_panel("Single realisations, root mean square", each),
                convergence_panel("Mean over realisations", mean),
            ),
            caption=notes,
        ),
        notes=notes,
    )


def sample_coefficient() -> tuple[float, tuple[float, float]]:
    """Return ⟨δg⟩·∂⟨δε⟩/‖∂⟨δε⟩‖² over realisations of real digits, and its 95 % interval."""
    problem, point = trained_digits(NUM_DIGITS)
    slope = SAMPLED_LR * gap_gradient(problem, point, 2 * SAMPLED_HALF)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(NUM_DIGITS, (NUM_REALISATIONS, 2, SAMPLED_HALF), generator=generator)
    along = []
    for first, second in (pair.unbind(dim=1) for pair in torch.split(drawn, _CHUNK)):
        both = gradient_difference(problem, point, first, second, SAMPLED_LR) + gradient_difference(
            problem, point, second, first, SAMPLED_LR
        )
        along.append(both / 2 @ slope / slope.square().sum())
    value, half = mean_interval(torch.cat(along).numpy())
    return value, (value - half, value + half)


def _orders_of_one(problem: Problem, point: Tensor, first: Tensor, second: Tensor) -> list[ErrorCurve]:
    """Root mean square over realisations of what eq. 12 leaves out, as printed and with one sign changed."""
    printed = predicted_difference(problem, point, first, second, lr=1.0)
    odd = commutator(problem, point, first, second)
    measured = [gradient_difference(problem, point, first, second, lr) for lr in LRS]
    variants = (
        ("eq. 12", "Eq. 12 leaves out O(η²).", 2, printed),
        (
            "eq. 12, other sign of h_B g_C − h_C g_B",
            "With the other sign of its second bracket it leaves out O(η): the control.",
            1,
            printed + odd,
        ),
    )
    return [
        ErrorCurve(
            label,
            says,
            order,
            LRS,
            tuple(
                float((one - lr * said).square().sum(dim=1).mean().sqrt())
                for one, lr in zip(measured, LRS, strict=True)
            ),
        )
        for label, says, order, said in variants
    ]


def _orders_of_mean(measured: list[Tensor], slope: Tensor) -> list[ErrorCurve]:
    variants = (
        ("−½∂⟨δε⟩, eq. 13", "The mean of two updates differs from eq. 13 by O(η²).", 2, -0.5),
        ("+½∂⟨δε⟩", "With the other sign it differs by O(η): the control.", 1, 0.5),
        ("−¼∂⟨δε⟩", "With half of the factor it differs by O(η): the control.", 1, -0.25),
    )
    return [
        ErrorCurve(
            label,
            says,
            order,
            LRS,
            tuple(float((one - lr * factor * slope).norm()) for one, lr in zip(measured, LRS, strict=True)),
        )
        for label, says, order, factor in variants
    ]
