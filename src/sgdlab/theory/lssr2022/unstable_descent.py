"""Gradient descent on a quadratic with one eigenvalue above 2/η (lssr2022, proposition 4.1).

In the eigenbasis of H the gradient's components are g_i(t) = (1 − ηλ_i)ᵗ g_i(0). With λ_1 > 2/η and every
other 0 < λ_i < 2/η, the first grows and the others shrink: |q_1ᵀ∇L| → ∞, |cos(q_1, ∇L)| → 1, and
‖H‖_{S_n} = ∇LᵀH∇L/‖∇L‖² → ‖H‖, all provided that g_1(0) ≠ 0.

Two words of the proposition need care. 1 − ηλ_1 is below −1, so q_1ᵀ∇L changes sign at every update: the
cosine tends to 1 in absolute value. And ‖H‖_{S_n} need not *increase*: while the gradient along steep stable
eigenvectors decays faster than along flat ones, it falls.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sgdlab.analysis.series import FigureSeries, PanelSeries, Reference
from sgdlab.sweeps.claims import Expectation
from sgdlab.theory.agreement import agreement_finding, exact_finding
from sgdlab.theory.check import CheckReport
from sgdlab.theory.drawing import curve

LR = 0.02  # η as in the paper's figure 1
NUM_UPDATES = 50

# λ_i·η, the first above 2; gradient components at the start, along q_1, q_2, …
_GENERIC = ((2.2, 1.7, 1.2, 0.8, 0.3, 0.1), (0.01, 1.0, -0.8, 0.5, 1.2, -0.7))
_FALLS_FIRST = ((2.2, 1.0, 0.05), (1e-3, 1.0, 0.2))


@dataclass(frozen=True)
class Descent:
    """What the proposition speaks of, before each update and after the last one."""

    cosine: np.ndarray  # (T + 1,) cos(q_1, ∇L)
    projection: np.ndarray  # (T + 1,) q_1ᵀ∇L
    sharpness: np.ndarray  # (T + 1,) ‖H‖_{S_n}


def iterate_descent(hessian: np.ndarray, start: np.ndarray, lr: float, num_updates: int) -> Descent:
    """Carry out gradient descent on ½θᵀHθ from `start` (P,)."""
    leading = np.linalg.eigh(hessian)[1][:, -1]
    gradients, parameters = [], start
    for _ in range(num_updates + 1):
        gradients.append(hessian @ parameters)
        parameters = parameters - lr * gradients[-1]
    return _describe(np.array(gradients), leading, hessian)


def solve_descent(eigenvalues: np.ndarray, components: np.ndarray, lr: float, num_updates: int) -> Descent:
    """Return the same in closed form, from λ_i and q_iᵀ∇L at the start, both (P,), the largest λ first."""
    factors = 1 - lr * eigenvalues
    gradients = components * factors ** np.arange(num_updates + 1)[:, None]
    return _describe(gradients, np.eye(len(eigenvalues))[0], np.diag(eigenvalues))


def run() -> CheckReport:
    """Iterate on a rotated quadratic, compare with the closed form, and with the proposition's words."""
    generic, closed = _both(*_GENERIC)
    falling, _ = _both(*_FALLS_FIRST)
    cosine = np.abs(generic.cosine)
    tangents = np.sqrt(1 / cosine[: NUM_UPDATES // 2] ** 2 - 1)  # later ones are lost in rounding
    notes = (
        f"η = {LR}, ηλ = {', '.join(f'{each:g}' for each in _GENERIC[0])}, in a random orthogonal basis",
        "a second start, mostly along the second eigenvector of ηλ = "
        f"{', '.join(f'{each:g}' for each in _FALLS_FIRST[0])}; {NUM_UPDATES} updates",
    )
    near_one = Expectation(within=(0.999, 1.001))
    return CheckReport(
        findings=(
            agreement_finding(
                "The gradient's components along q_i are (1 − ηλ_i)ᵗ times those at the start.",
                _largest_deviation(generic, closed),
                remark="Largest relative deviation of |cos(q_1, ∇L)|, |q_1ᵀ∇L| and ‖H‖_{S_n}.",
            ),
            exact_finding("|cos(q_1, ∇L)| tends to 1.", float(cosine[-1]), near_one, "At the end."),
            exact_finding(
                "cos(q_1, ∇L) tends to 1, as printed.",
                float(generic.cosine[-2:].min()),
                near_one,
                "The lesser of the last two: 1 − ηλ_1 < −1 turns its sign at every update, so that the limit "
                "is that of the absolute value.",
            ),
            exact_finding(
                "|q_1ᵀ∇L| grows without bound, by ηλ_1 − 1 an update.",
                float(abs(generic.projection[-1] / generic.projection[0])) ** (1 / NUM_UPDATES),
                Expectation(within=(1.2 - 1e-9, 1.2 + 1e-9)),
                "Mean factor; ηλ_1 − 1 is 1.2.",
            ),
            exact_finding(
                "‖H‖_{S_n} tends to ‖H‖.",
                float(generic.sharpness[-1] * LR / _GENERIC[0][0]),
                near_one,
                "Their ratio at the end.",
            ),
            exact_finding(
                "|cos(q_1, ∇L)| increases at every update.",
                float(np.max(tangents[1:] / tangents[:-1])),
                Expectation(below=1.0),
                "Largest factor of the tangent of the angle.",
            ),
            exact_finding(
                "‖H‖_{S_n} increases at every update, as the print can be read.",
                float(np.diff(generic.sharpness).min() * LR),
                Expectation(above=0.0),
                "Smallest change of η‖H‖_{S_n}: it falls while the gradient along steep stable eigenvectors "
                "decays, and rises later.",
            ),
        ),
        figure=_figure(generic, falling, notes),
        notes=notes,
    )


def _both(scaled: tuple[float, ...], components: tuple[float, ...]) -> tuple[Descent, Descent]:
    """Return the iterated descent in a rotated basis, and the closed form."""
    eigenvalues, at_start = np.array(scaled) / LR, np.array(components)
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((len(scaled),) * 2))[0]
    hessian = rotation @ np.diag(eigenvalues) @ rotation.T
    start = rotation @ (at_start / eigenvalues)
    return (
        iterate_descent(hessian, start, LR, NUM_UPDATES),
        solve_descent(eigenvalues, at_start, LR, NUM_UPDATES),
    )


def _describe(gradients: np.ndarray, leading: np.ndarray, hessian: np.ndarray) -> Descent:
    norms = np.linalg.norm(gradients, axis=1)
    projection = gradients @ leading
    sharpness = np.einsum("ti,ij,tj->t", gradients, hessian, gradients) / norms**2
    return Descent(projection / norms, projection, sharpness)


def _largest_deviation(seen: Descent, said: Descent) -> float:
    """An eigenvector's sign is arbitrary: absolute values."""
    pairs = [
        (np.abs(seen.cosine), np.abs(said.cosine)),
        (np.abs(seen.projection), np.abs(said.projection)),
        (seen.sharpness, said.sharpness),
    ]
    return max(float(np.max(np.abs(one / other - 1))) for one, other in pairs)


def _figure(generic: Descent, falling: Descent, notes: tuple[str, ...]) -> FigureSeries:
    updates = range(NUM_UPDATES + 1)
    first, second = "start along every eigenvector", "start mostly along the second"
    cosine = PanelSeries(
        "cosine",
        "Alignment of the gradient with $q_1$",
        "linear",
        (
            curve(first, updates, _floats(np.abs(generic.cosine))),
            curve(second, updates, _floats(np.abs(falling.cosine))),
            curve("the same, with its sign", updates, _floats(falling.cosine)),
        ),
        reference=None,
        y_label=r"$|\cos(q_1, \nabla L)|$, and with its sign",
    )
    sharpness = PanelSeries(
        "sharpness",
        "Sharpness along the gradient",
        "linear",
        (
            curve(first, updates, _floats(LR * generic.sharpness)),
            curve(second, updates, _floats(LR * falling.sharpness)),
        ),
        reference=Reference("2, the bound of stability", 2.0, None),
        y_label=r"$\eta\,\|H\|_{S_n}$",
    )
    return FigureSeries(
        name="lssr2022/prop4.1",
        title="Gradient descent with one eigenvalue above 2/η",
        kind="trajectories",
        x_label="updates",
        y_label="",
        y_scale="linear",
        panels=(cosine, sharpness),
        caption=notes,
    )


def _floats(values: np.ndarray) -> list[float]:
    return [float(value) for value in values]
