"""Eq. 22 and 32: C_reg averaged over shuffles is ¼‖∇C‖² + (N−B)/(N−1)·Γ/(4B).

C_reg = 1/(4m) Σ_k ‖∇C_k‖² and Γ = (1/N) Σ_j ‖∇C_j − ∇C‖². With ε this is C_SGD − C. For few examples the mean
is taken over every partition into batches, and agrees to rounding; for many, over random shuffles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from sgdlab.analysis.series import FigureSeries, PanelSeries, Reference
from sgdlab.sweeps.claims import Expectation
from sgdlab.theory.check import CheckReport, Finding
from sgdlab.theory.drawing import curve
from sgdlab.theory.intervals import mean_interval
from sgdlab.theory.problems import digits_mlp

FEW, MANY = 8, 256  # examples
FEW_BATCH_SIZES = (1, 2, 4, 8)
BATCH_SIZES = (2, 8, 32, 128)  # B = 1 has one partition
NUM_SHUFFLES = 2000
_ROUNDING = 1e-13  # relative: hundreds of sums of 300 squares in float64
_AGREES = Expectation(within=(0.99, 1.01))


def run() -> CheckReport:
    """Enumerate the partitions of 8 digits; shuffle 256 digits 2000 times at each batch size."""
    few, many = example_gradients(FEW, hidden=4), example_gradients(MANY, hidden=8)
    exact = [enumerated_mean(few, size) / expected_regularizer(few, size) for size in FEW_BATCH_SIZES]
    drawn = [shuffled_regularizers(many, size) for size in BATCH_SIZES]
    ratios = [one / expected_regularizer(many, size) for one, size in zip(drawn, BATCH_SIZES, strict=True)]
    notes = (
        "cross-entropy of tanh MLPs at initialisation, float64: 64-4-10 on 8 digits, whose partitions are "
        f"all taken, 64-8-10 on {MANY}, of which {NUM_SHUFFLES} random shuffles are; drawn are the latter",
        "bars: left one standard deviation over shuffles, right the 95 % interval of their mean",
    )
    return CheckReport(
        findings=(_finding_of_enumeration(exact), *map(_finding_of_shuffles, BATCH_SIZES, ratios)),
        figure=FigureSeries(
            name="smith2021/eq22",
            title="C_reg over shuffles",
            kind="curves",
            x_label="batch size B",
            y_label="C_reg",
            y_scale="log",
            panels=(
                PanelSeries(
                    name="regularizer",
                    title=f"{MANY} digits",
                    x_scale="log2",
                    series=(
                        curve(
                            "mean over shuffles",
                            BATCH_SIZES,
                            [one.mean() for one in drawn],
                            [one.std(ddof=1) for one in drawn],
                        ),
                        curve(
                            "eq. 22", BATCH_SIZES, [expected_regularizer(many, size) for size in BATCH_SIZES]
                        ),
                    ),
                    reference=None,
                ),
                PanelSeries(
                    name="ratio",
                    title="Measured over expected",
                    x_scale="log2",
                    series=(
                        curve(
                            "mean over shuffles",
                            BATCH_SIZES,
                            [one.mean() for one in ratios],
                            [mean_interval(one)[1] for one in ratios],
                        ),
                    ),
                    reference=Reference("ratio 1", 1.0, None),
                    y_label="measured / expected",
                    y_scale="linear",
                ),
            ),
            caption=notes,
        ),
        notes=notes,
    )


def example_gradients(num_examples: int, hidden: int) -> Tensor:
    """Return ∇C_j of each of the first digits, ``(N, P)``, for an untrained tanh MLP."""
    problem = digits_mlp(num_examples, (hidden,))
    return problem.gradients(problem.start.expand(num_examples, -1), problem.batches(num_examples))


def expected_regularizer(gradients: Tensor, batch_size: int) -> float:
    """Return ¼‖∇C‖² + (N−B)/(N−1)·Γ/(4B) from examples' gradients ``(N, P)``."""
    num_examples = len(gradients)
    mean = gradients.mean(dim=0)
    spread = (gradients - mean).square().sum(dim=1).mean()
    share = (num_examples - batch_size) / (num_examples - 1)
    return (mean.square().sum() / 4 + share * spread / (4 * batch_size)).item()


def enumerated_mean(gradients: Tensor, batch_size: int) -> float:
    """Return the mean of C_reg over every partition of the examples into batches."""
    partitions = torch.tensor(list(partitions_of(range(len(gradients)), batch_size)))
    return _regularizers(gradients, partitions).mean().item()


def shuffled_regularizers(gradients: Tensor, batch_size: int) -> np.ndarray:
    """Return C_reg of random shuffles of the examples, ``(NUM_SHUFFLES,)``."""
    generator = torch.Generator().manual_seed(batch_size)
    found = []
    for _ in range(NUM_SHUFFLES):
        shuffle = torch.randperm(len(gradients), generator=generator)
        found.append(_regularizers(gradients, shuffle.view(1, -1, batch_size)).item())
    return np.array(found)


def partitions_of(examples: Sequence[int], batch_size: int) -> Iterator[list[list[int]]]:
    """Yield every way to split examples into batches of one size, batches in no order."""
    if not examples:
        yield []
        return
    first, others = examples[0], examples[1:]
    for companions in combinations(others, batch_size - 1):
        left = [one for one in others if one not in companions]
        for partition in partitions_of(left, batch_size):
            yield [[first, *companions], *partition]


def _regularizers(gradients: Tensor, partitions: Tensor) -> Tensor:
    """Return C_reg of each of K partitions ``(K, m, B)``: ``(K,)``."""
    of_batches = gradients[partitions].mean(dim=2)
    return of_batches.square().sum(dim=2).mean(dim=1) / 4


def _finding_of_enumeration(ratios: Sequence[float]) -> Finding:
    worst = max(abs(ratio - 1) for ratio in ratios)
    says = f"Over every partition of {FEW} digits C_reg is eq. 22 on average: largest relative difference."
    sizes = ", ".join(map(str, FEW_BATCH_SIZES))
    return Finding(says, worst, (worst, worst), Expectation(below=_ROUNDING), f"B = {sizes}.")


def _finding_of_shuffles(batch_size: int, ratios: np.ndarray) -> Finding:
    mean, half = mean_interval(ratios)
    off = (mean - 1) / (ratios.std(ddof=1) / np.sqrt(len(ratios)))
    says = f"B = {batch_size}: over shuffles of {MANY} digits C_reg is eq. 22 on average: ratio."
    return Finding(
        says,
        mean,
        (mean - half, mean + half),
        _AGREES,
        f"{off:+.1f} standard errors off 1.".replace("-", "−"),
    )
