"""Eq. 14–18: is what small batches do in an epoch a bias or noise? At one ε, for three orders of batches.

After two epochs of m batches, to leading order in ε, with H_k = ∇∇C_k and g_k = ∇C_k, the mean end differs
from the flow on C by a bias, and single runs from the mean by noise:

=====================  ===========================  =========================================================
batches                bias: follows the flow on    standard deviation over orders
=====================  ===========================  =========================================================
shuffled               C_SGD: O(ε²)                 ε² √(2 Var ξ), ξ = Σ_{j before k} H_k g_j: O(ε²) (eq. 14)
forward, then reverse  C_SGD: O(ε²)                 O(ε³)
drawn independently    C_GD: O(ε²)                  ε √(2 Σ_k ‖g_k − ∇C‖²): O(ε)
=====================  ===========================  =========================================================

The paper derives the first two. The third follows the same way: two different updates are independent, so the
mean of the sum over pairs is m(2m−1)·∇∇C∇C, as for gradient descent.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sgdlab.analysis.series import FigureSeries, PanelSeries
from sgdlab.sweeps.claims import Expectation
from sgdlab.theory.check import CheckReport, Finding
from sgdlab.theory.convergence import ErrorCurve, big_o, convergence_panel
from sgdlab.theory.drawing import curve
from sgdlab.theory.flows import follow, mean_square_norm_gradient, modified_descent
from sgdlab.theory.orders import every_order, forward_then_reverse, independent_draws, two_shuffled_epochs
from sgdlab.theory.problems import Problem, digits_mlp
from sgdlab.theory.updates import descend

LRS = tuple(2.0**k for k in range(-12, -7))
NUM_BATCHES = 3  # so that all 3⁶ = 729 independent sequences can be run
NUM_UPDATES = 2 * NUM_BATCHES
_AGREES = Expectation(within=(0.95, 1.05))  # a leading term, at an ε where the next one is a per cent


@dataclass(frozen=True)
class Scheme:
    """A way to take batches, and what is expected of its runs."""

    label: str
    orders: Tensor  # (R, 2m), all of them
    flow: str  # the loss whose flow the mean follows
    num_flow_batches: int  # the batches in that loss: m for C_SGD, 1 for C_GD
    noise_order: int


@dataclass(frozen=True)
class Ends:
    """Where the runs of a scheme end, at one learning rate."""

    bias: Tensor  # (P,), mean end − flow on C
    bias_left: float  # ‖mean end − flow on the scheme's modified loss‖
    noise: float  # root mean square distance from the mean end


SCHEMES = (
    Scheme("shuffled", two_shuffled_epochs(NUM_BATCHES), "C_SGD", NUM_BATCHES, 2),
    Scheme("forward, then reverse", forward_then_reverse(NUM_BATCHES), "C_SGD", NUM_BATCHES, 3),
    Scheme("independent", independent_draws(NUM_BATCHES, NUM_UPDATES), "C_GD", 1, 1),
)


def run() -> CheckReport:
    """Run two epochs of 3 batches of 20 digits in all orders, on a tanh MLP, at several ε."""
    problem = digits_mlp(num_examples=60)
    ends = {scheme: [measure(problem, scheme, lr) for lr in LRS] for scheme in SCHEMES}
    left, noise = [], []
    for scheme, found in ends.items():
        says = f"{scheme.label.capitalize()}: the mean is O(ε³) from the flow on {scheme.flow}."
        left.append(ErrorCurve(scheme.label, says, 3, LRS, tuple(one.bias_left for one in found)))
        says = f"{scheme.label.capitalize()}: the noise is {big_o(scheme.noise_order)}."
        errors = tuple(one.noise for one in found)
        noise.append(ErrorCurve(scheme.label, says, scheme.noise_order, LRS, errors))
    ratios = {
        scheme.label: [one.noise / one.bias.norm().item() for one in found] for scheme, found in ends.items()
    }
    notes = (
        "cross-entropy of a tanh MLP 64-4-10 on 60 digits in 3 equal batches, at its initialisation, float64",
        "two epochs, in all orders",
        "bias: mean end against the flow on C; noise: standard deviation over orders; left, shuffled and "
        "forward-then-reverse coincide",
        f"noise over bias at ε = 2⁻⁸: {_describe_ratios(ratios)}",
    )
    return CheckReport(
        findings=(*(one.finding for one in (*left, *noise)), *_leading_terms(problem, ends)),
        figure=FigureSeries(
            name="smith2021/bias-and-noise",
            title="Bias and noise of three orders",
            kind="curves",
            x_label="learning rate ε",
            y_label="distance of the end points",
            y_scale="log",
            panels=(
                convergence_panel("Mean from its modified flow", left),
                convergence_panel("Noise", noise),
                PanelSeries(
                    name="ratio",
                    title="Noise over bias",
                    x_scale="log2",
                    series=tuple(curve(label, LRS, ratio) for label, ratio in ratios.items()),
                    reference=None,
                    y_label="noise / bias",
                ),
            ),
            caption=notes,
        ),
        notes=notes,
    )


def measure(problem: Problem, scheme: Scheme, lr: float) -> Ends:
    """Run a scheme in all its orders."""
    ends = descend(problem, problem.batches(NUM_BATCHES), scheme.orders, lr)
    mean, time = ends.mean(dim=0), NUM_UPDATES * lr
    in_flow = problem.batches(scheme.num_flow_batches)
    flowed = follow(modified_descent(problem, in_flow, lr / 4), problem.start, time)
    return Ends(
        bias=mean - follow(modified_descent(problem, in_flow, 0), problem.start, time),
        bias_left=(mean - flowed).norm().item(),
        noise=(ends - mean).square().sum(dim=1).mean().sqrt().item(),
    )


def leading_bias(problem: Problem, scheme: Scheme, lr: float) -> Tensor:
    """Return −2mε·(ε/4)·∇(1/m Σ_k ‖∇C_k‖²), the batches those of the scheme's modified loss: ``(P,)``."""
    in_flow = problem.batches(scheme.num_flow_batches)
    return -NUM_UPDATES * lr * lr / 4 * mean_square_norm_gradient(problem, in_flow, problem.start)


def leading_noise_of_independent(problem: Problem, lr: float) -> float:
    """Return ε √(2 Σ_k ‖g_k − ∇C‖²)."""
    gradients = _batch_gradients(problem)
    away = gradients - gradients.mean(dim=0)
    return lr * (2 * away.square().sum()).sqrt().item()


def leading_noise_of_shuffled(problem: Problem, lr: float) -> float:
    """Return ε² √(2 Var ξ) over all orders of an epoch, ξ = Σ_{j before k} H_k g_j."""
    gradients = _batch_gradients(problem)
    products = torch.stack([_hessian_products(problem, k, gradients) for k in range(NUM_BATCHES)])
    corrections = torch.stack([_correction(products, order.tolist()) for order in every_order(NUM_BATCHES)])
    variance = (corrections - corrections.mean(dim=0)).square().sum(dim=1).mean()
    return lr**2 * (2 * variance).sqrt().item()


def _leading_terms(problem: Problem, ends: dict[Scheme, list[Ends]]) -> tuple[Finding, ...]:
    lr = LRS[0]
    found = []
    for scheme, measured in ends.items():
        expected = leading_bias(problem, scheme, lr)
        ratio = (measured[0].bias @ expected / expected.square().sum()).item()
        found.append(
            (f"{scheme.label.capitalize()}: the bias is that of {scheme.flow}: ratio at ε = 2⁻¹².", ratio)
        )
    shuffled, _, independent = (measured[0].noise for measured in ends.values())
    found += [
        (
            "Shuffled: the noise is that of ξ, eq. 14: ratio at ε = 2⁻¹².",
            shuffled / leading_noise_of_shuffled(problem, lr),
        ),
        (
            "Independent: the noise is that of the batches' gradients: ratio at ε = 2⁻¹².",
            independent / leading_noise_of_independent(problem, lr),
        ),
    ]
    return tuple(Finding(says, ratio, (ratio, ratio), _AGREES) for says, ratio in found)


def _correction(products: Tensor, order: list[int]) -> Tensor:
    """Return ξ of one order from H_k g_j ``(m, m, P)``."""
    return torch.stack([products[k, j] for place, k in enumerate(order) for j in order[:place]]).sum(dim=0)


def _batch_gradients(problem: Problem) -> Tensor:
    batches = problem.batches(NUM_BATCHES)
    return problem.gradients(problem.start.expand(NUM_BATCHES, -1), batches)


def _hessian_products(problem: Problem, batch: int, vectors: Tensor) -> Tensor:
    """Return H_k v of one batch for each of the vectors ``(m, P)``."""
    examples = problem.batches(NUM_BATCHES)[batch : batch + 1]
    point = problem.start.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(problem.costs(point[None], examples).mean(), point, create_graph=True)
    products = [torch.autograd.grad(gradient @ vector, point, retain_graph=True)[0] for vector in vectors]
    return torch.stack(products)


def _describe_ratios(ratios: dict[str, list[float]]) -> str:
    return ", ".join(f"{label} {ratio[-1]:.2g}" for label, ratio in ratios.items())
