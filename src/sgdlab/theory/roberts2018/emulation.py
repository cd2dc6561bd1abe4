"""Full-batch updates on a penalised loss that emulate an epoch of small batches (roberts2018, §3).

m updates of SGD on the m batches of a set, averaged over their orders, end where m full-batch updates with
the same η end on

    ℓ + (η/4m) Σ_k ‖g_k − g‖²                                                                 up to O(η³).

With m = 2 this is (η/16)‖g_B − g_C‖². Averaged over all splits of N examples as well, the penalty is
(m − 1)/4 · η tr Σ̂/N, with the covariance Σ̂ of the set taken over N − 1: for m = 2 the paper's ¼⟨δε⟩. It
says that the coefficient is another for more updates; this is which. Over data realisations Σ is that of the
distribution.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import torch
from torch import Tensor
from torch.func import grad, vmap

from sgdlab.analysis.series import FigureSeries
from sgdlab.theory.check import CheckReport
from sgdlab.theory.convergence import ErrorCurve, convergence_panel
from sgdlab.theory.draws import draws_with_replacement, independent
from sgdlab.theory.orders import every_order
from sgdlab.theory.problems import Problem
from sgdlab.theory.roberts2018.half_batches import Scalar, displacement, mean_cost, noise_trace, spread
from sgdlab.theory.roberts2018.realisations import trained_digits

NUM_EXAMPLES = 6
NUM_UPDATES = (2, 3)  # m, divisors of the number of examples
LRS = tuple(2.0**k for k in range(-12, -5))

NUM_DISTRIBUTION = 4  # digits that are the distribution of the realisations
HALF = 2


def penalised_displacement(
    problem: Problem, point: Tensor, examples: Tensor, penalty: Scalar, lr: float, num_updates: int
) -> Tensor:
    """Return θ_m − θ_0, ``(R, P)``, after m updates on the whole of sets ``(R, N)``, with a penalty."""

    def objective(parameters: Tensor, own: Tensor) -> Tensor:
        return mean_cost(problem, own)(parameters) + penalty(parameters)

    moved = torch.zeros(len(examples), len(point), dtype=point.dtype)
    for _ in range(num_updates):
        moved = moved - lr * vmap(grad(objective))(point + moved, examples)
    return moved


def scaled(penalty: Scalar, factor: float) -> Scalar:
    """Return a multiple of a function of the parameters."""
    return lambda parameters: factor * penalty(parameters)


def every_split(num_examples: int, num_batches: int) -> Tensor:
    """Return every way to split N examples in m equal batches, in every order, ``(S, m, N/m)``."""
    splits = list(_ordered_splits(tuple(range(num_examples)), num_examples // num_batches))
    return torch.tensor(splits)


def run() -> CheckReport:
    """Average SGD over orders, splits and realisations; follow full batches on the penalised loss."""
    fixed = [one for num_updates in NUM_UPDATES for one in fixed_split_errors(num_updates)]
    split = [one for num_updates in NUM_UPDATES for one in mean_split_errors(num_updates)]
    realised = realisation_errors()
    notes = (
        f"tanh MLP 64-4-10 after 100 updates on the {NUM_EXAMPLES} digits; every order and every split",
        f"realisations: {NUM_DISTRIBUTION} digits are the distribution, N = {2 * HALF} independent draws, "
        "every realisation",
    )
    return CheckReport(
        findings=tuple(one.finding for one in (*fixed, *split, *realised)),
        figure=FigureSeries(
            name="roberts2018/emulate",
            title="Full batch with a penalty emulates small batches",
            kind="curves",
            x_label="learning rate η",
            y_label="distance from the mean of SGD",
            y_scale="log",
            panels=(
                convergence_panel("One split, all orders", fixed),
                convergence_panel("All splits and orders", split),
                convergence_panel("All realisations", realised),
            ),
            caption=notes,
        ),
        notes=notes,
    )


def fixed_split_errors(num_updates: int) -> tuple[ErrorCurve, ErrorCurve]:
    """One split in m batches, all orders: the penalty on the spread of their gradients, and twice it."""
    problem, point = trained_digits(NUM_EXAMPLES)
    batches = problem.batches(num_updates)
    sequences = batches[every_order(num_updates)].transpose(0, 1)
    of_batches = spread(problem, batches)

    def errors(factor: float) -> tuple[float, ...]:
        return _distances(problem, point, sequences, of_batches, factor / (4 * num_updates))

    name = "(η/16)‖g_B − g_C‖²" if num_updates == 2 else f"(η/{4 * num_updates})Σ‖g_k − g‖²"
    return (
        ErrorCurve(
            f"m = {num_updates}, {name}",
            f"The mean of {num_updates} updates over the orders of one split is O(η³) from full batch with "
            f"{name}.",
            3,
            LRS,
            errors(1.0),
        ),
        ErrorCurve(
            f"m = {num_updates}, twice that",
            "With twice that penalty it is O(η²): the control.",
            2,
            LRS,
            errors(2.0),
        ),
    )


def mean_split_errors(num_updates: int) -> tuple[ErrorCurve, ErrorCurve]:
    """Every split and order: the penalty with the covariance over N − 1, and over N."""
    problem, point = trained_digits(NUM_EXAMPLES)
    sequences = every_split(NUM_EXAMPLES, num_updates).transpose(0, 1)
    over_n = noise_trace(problem, torch.arange(NUM_EXAMPLES))
    strength = (num_updates - 1) / 4 / NUM_EXAMPLES

    def errors(correction: float) -> tuple[float, ...]:
        return _distances(problem, point, sequences, over_n, strength * correction)

    name = "¼" if num_updates == 2 else f"{num_updates - 1}/4"
    return (
        ErrorCurve(
            f"m = {num_updates}, {name}·η tr Σ̂/N",
            f"The mean of {num_updates} updates over all splits is O(η³) from full batch with {name}⟨δε⟩, "
            "Σ over N − 1.",
            3,
            LRS,
            errors(NUM_EXAMPLES / (NUM_EXAMPLES - 1)),
        ),
        ErrorCurve(
            f"m = {num_updates}, Σ over N",
            "With the covariance over N it is O(η²): the control.",
            2,
            LRS,
            errors(1.0),
        ),
    )


def realisation_errors() -> tuple[ErrorCurve, ErrorCurve]:
    """Means over every realisation of N examples, Σ the distribution's: ¼⟨δε⟩, and none."""
    problem, point = trained_digits(NUM_DISTRIBUTION)
    halves = draws_with_replacement(NUM_DISTRIBUTION, HALF)
    first, second = independent(halves, halves)
    union = torch.cat([first.examples, second.examples], dim=1)
    trace = noise_trace(problem, torch.arange(NUM_DISTRIBUTION))

    def errors(factor: float) -> tuple[float, ...]:
        found = []
        for lr in LRS:
            of_sgd = displacement(problem, point, torch.stack([first.examples, second.examples]), lr)
            penalty = scaled(trace, factor * lr / (2 * HALF))
            of_gd = penalised_displacement(problem, point, union, penalty, lr, num_updates=2)
            found.append(float(first.mean(of_sgd - of_gd).norm()))
        return tuple(found)

    return (
        ErrorCurve(
            "m = 2, ¼⟨δε⟩",
            "Over data realisations two half-batch updates are O(η³) from full batch with ¼⟨δε⟩.",
            3,
            LRS,
            errors(0.25),
        ),
        ErrorCurve("no penalty", "Without a penalty they are O(η²): the control.", 2, LRS, errors(0.0)),
    )


def _distances(
    problem: Problem, point: Tensor, sequences: Tensor, penalty: Scalar, strength: float
) -> tuple[float, ...]:
    """Return how far SGD's mean over sequences ``(m, S, b)`` is from full batch on ℓ + η·strength·penalty."""
    everyone = torch.arange(problem.num_examples)[None]
    found = []
    for lr in LRS:
        of_sgd = displacement(problem, point, sequences, lr).mean(dim=0)
        (of_gd,) = penalised_displacement(
            problem, point, everyone, scaled(penalty, lr * strength), lr, len(sequences)
        )
        found.append(float((of_sgd - of_gd).norm()))
    return tuple(found)


def _ordered_splits(examples: tuple[int, ...], size: int) -> Iterator[list[tuple[int, ...]]]:
    if not examples:
        yield []
        return
    for batch in combinations(examples, size):
        rest = tuple(example for example in examples if example not in batch)
        for others in _ordered_splits(rest, size):
            yield [batch, *others]
