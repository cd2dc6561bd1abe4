"""Moments of a minibatch gradient g_b for every batch size b, from those of b = 1 and b = n (eq. 1 and 12).

S_b = E g_b g_bᵀ over the n examples of a training set, C_b = S_b − S_n its covariance, H the full Hessian:

    C_b       = (γ/b)·(S_1 − S_n),  γ = (n − b)/(n − 1) without and 1 with replacement        (eq. 1)
    tr(H S_b) = (γ/b)·tr(H S_1) + (1 − γ/b)·gᵀHg,  g the full gradient
    ρ_b       = tr S_n / tr S_b = 1/((γ/b)/ρ + 1 − γ/b),  ρ = ρ_1                             (eq. 12)

All three are exact. The check forms every batch: all subsets of b, and all multisets with their
probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sgdlab.analysis.series import FigureSeries, PanelSeries
from sgdlab.diagnostics.noise.sampling import Sampling, noise_share
from sgdlab.theory.agreement import agreement_finding
from sgdlab.theory.check import CheckReport
from sgdlab.theory.derivatives import example_gradients, full_hessian
from sgdlab.theory.drawing import curve
from sgdlab.theory.draws import Draws, draws_with_replacement, draws_without_replacement
from sgdlab.theory.problems import digits_mlp

NUM_EXAMPLES = 7
BATCH_SIZES = tuple(range(1, NUM_EXAMPLES + 1))

_DRAWS: dict[Sampling, Draws] = {"without": draws_without_replacement, "with": draws_with_replacement}


def concentration(rho: float, share: float) -> float:
    """Return ρ_b, eq. 12, from ρ = ρ_1 and γ/b."""
    return 1 / (share / rho + 1 - share)


@dataclass(frozen=True)
class Moments:
    """What the equations speak of, at one batch size and one way of sampling."""

    covariance: Tensor  # C_b (P, P)
    curvature: float  # tr(H S_b)
    concentration: float  # ρ_b


def enumerate_moments(gradients: Tensor, hessian: Tensor, batch_size: int, sampling: Sampling) -> Moments:
    """Sum over every batch, by the definitions; gradients ``(n, P)``, Hessian ``(P, P)``."""
    batches = _DRAWS[sampling](len(gradients), batch_size)
    full, of_batches = gradients.mean(dim=0), gradients[batches.examples].mean(dim=1)
    away = of_batches - full
    return Moments(
        covariance=(batches.probabilities[:, None] * away).T @ away,
        curvature=float(batches.mean(((of_batches @ hessian) * of_batches).sum(dim=1))),
        concentration=float(full @ full / batches.mean(of_batches.square().sum(dim=1))),
    )


def predict_moments(gradients: Tensor, hessian: Tensor, batch_size: int, sampling: Sampling) -> Moments:
    """Return the same by the equations, from S_1 and S_n."""
    share = noise_share(batch_size, len(gradients), sampling)
    full = gradients.mean(dim=0)
    of_one, of_all = gradients.T @ gradients / len(gradients), torch.outer(full, full)
    rho = float(of_all.trace() / of_one.trace())
    return Moments(
        covariance=share * (of_one - of_all),
        curvature=float(share * (hessian * of_one).sum() + (1 - share) * (full @ hessian @ full)),
        concentration=concentration(rho, share),
    )


def run() -> CheckReport:
    """Hold the equations against every batch of seven digits."""
    problem = digits_mlp(NUM_EXAMPLES)
    gradients = example_gradients(problem, problem.start)
    hessian = full_hessian(problem, problem.start)
    seen = {way: [enumerate_moments(gradients, hessian, b, way) for b in BATCH_SIZES] for way in _DRAWS}
    said = {way: [predict_moments(gradients, hessian, b, way) for b in BATCH_SIZES] for way in _DRAWS}
    pairs = [pair for way in _DRAWS for pair in zip(seen[way], said[way], strict=True)]
    scale = pairs[0][1].covariance.abs().max()
    notes = (
        f"{NUM_EXAMPLES} digits, tanh MLP 64-4-10 at its initialisation",
        f"b = 1 to {NUM_EXAMPLES}, every batch",
    )
    return CheckReport(
        findings=(
            agreement_finding(
                "C_b is (γ/b)(S_1 − S_n) (eq. 1).",
                max(float((one.covariance - other.covariance).abs().max() / scale) for one, other in pairs),
                remark="Largest difference of an entry, over the largest entry of C_1.",
            ),
            agreement_finding(
                "tr(H S_b) is (γ/b) tr(H S_1) + (1 − γ/b) gᵀHg.",
                max(abs(one.curvature / other.curvature - 1) for one, other in pairs),
            ),
            agreement_finding(
                "ρ_b is 1/((γ/b)/ρ + 1 − γ/b) (eq. 12).",
                max(abs(one.concentration / other.concentration - 1) for one, other in pairs),
            ),
        ),
        figure=_figure(seen, said, notes),
        notes=notes,
    )


def _figure(
    seen: dict[Sampling, list[Moments]], said: dict[Sampling, list[Moments]], notes: tuple[str, ...]
) -> FigureSeries:
    drawn = {f"every batch, {way} replacement": seen[way] for way in _DRAWS} | {
        f"equation, {way} replacement": said[way] for way in _DRAWS
    }
    numbers = {
        r"$\mathrm{tr}\,C_b$": {
            label: [float(one.covariance.trace()) for one in row] for label, row in drawn.items()
        },
        r"$\mathrm{tr}(H S_b)$": {label: [one.curvature for one in row] for label, row in drawn.items()},
        r"$\rho_b$": {label: [one.concentration for one in row] for label, row in drawn.items()},
    }
    return FigureSeries(
        name="lssr2022/eq1",
        title="Moments of minibatch gradients",
        kind="curves",
        x_label="batch size b",
        y_label="",
        y_scale="linear",
        panels=tuple(
            PanelSeries(
                title,
                title,
                "linear",
                tuple(curve(label, BATCH_SIZES, values) for label, values in rows.items()),
                reference=None,
                y_label=title,
            )
            for title, rows in numbers.items()
        ),
        caption=(*notes, "Enumeration and equation coincide to rounding: the later curve hides the earlier."),
    )
