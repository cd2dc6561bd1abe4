"""Data realisations: training and test sets drawn from a distribution of which every moment is known.

The distribution is a number of real digits, equally likely, drawn with replacement: so the draws are
independent, and the mean gradient G and the trace of the covariance Σ of one draw are sums over these digits.
Sets A and B that have |A∩B| draws in common have cov(g_A, g_B) = |A∩B|/(|A||B|)·Σ (roberts2018, eq. 5).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sgdlab.theory.derivatives import example_gradients, losses, trace_of_covariance
from sgdlab.theory.draws import Sets, draws_with_replacement, independent
from sgdlab.theory.problems import Problem, digits_mlp
from sgdlab.theory.updates import descend

NUM_DIGITS = 1297  # the whole training half
_CHUNK = 500  # realisations at once


def trained_digits(num_examples: int, num_updates: int = 100, lr: float = 0.1) -> tuple[Problem, Tensor]:
    """Return a tanh MLP 64-4-10 on digits, and its parameters after a short descent on all of them."""
    problem = digits_mlp(num_examples)
    orders = torch.zeros(1, num_updates, dtype=torch.int64)
    return problem, descend(problem, problem.batches(1), orders, lr)[0]


@dataclass(frozen=True)
class Distribution:
    """The moments of the gradient of one draw."""

    mean: Tensor  # G (P,)
    trace: float  # tr Σ

    @property
    def mean_square(self) -> float:
        """‖G‖²."""
        return float(self.mean.square().sum())


def moments(problem: Problem, point: Tensor) -> Distribution:
    """Return G and tr Σ at a point ``(P,)``."""
    gradients = example_gradients(problem, point)
    return Distribution(gradients.mean(dim=0), float(trace_of_covariance(gradients)))


def overlapping_sets(num_examples: int, num_a: int, num_b: int, num_common: int) -> tuple[Sets, Sets]:
    """Return every A and B of |A| and |B| draws that share |A∩B| draws, row by row, with probabilities."""
    common = draws_with_replacement(num_examples, num_common)
    only_a = draws_with_replacement(num_examples, num_a - num_common)
    only_b = draws_with_replacement(num_examples, num_b - num_common)
    first, second = independent(only_a, only_b)
    pairs = torch.arange(len(first.examples))
    rows, shared = independent(Sets(pairs[:, None], first.probabilities), common)
    of_pair = rows.examples[:, 0]
    return (
        Sets(torch.cat([first.examples[of_pair], shared.examples], dim=1), rows.probabilities),
        Sets(torch.cat([second.examples[of_pair], shared.examples], dim=1), rows.probabilities),
    )


def change_of_loss(problem: Problem, point: Tensor, of: Tensor, by: Tensor, lr: float) -> Tensor:
    """Return δℓ of eq. 6, ``(R,)``: of the losses of sets A ``(R, a)`` by updates on sets B ``(R, b)``."""
    points = point.expand(len(by), -1)
    after = points - lr * problem.gradients(points, by)
    return losses(problem, after, of) - losses(problem, points, of)


@dataclass(frozen=True)
class Changes:
    """What one update on its training set changes, in each of R realisations."""

    train: Tensor  # (R,) change of the training loss
    test: Tensor  # (R,) change of the loss of as many independent test examples

    @property
    def gap(self) -> Tensor:
        """δε (R,): the change of the test loss less that of the training loss."""
        return self.test - self.train


def sample_changes(
    problem: Problem, point: Tensor, num_train: int, lr: float, num_realisations: int, seed: int
) -> Changes:
    """Draw training and test sets of `num_train` examples each, and make one update on the former."""
    generator = torch.Generator().manual_seed(seed)
    shape = (num_realisations, 2 * num_train)
    drawn = torch.randint(problem.num_examples, shape, generator=generator)
    train, test = [], []
    for examples in torch.split(drawn, _CHUNK):
        mine, others = examples[:, :num_train], examples[:, num_train:]
        train.append(change_of_loss(problem, point, mine, mine, lr))
        test.append(change_of_loss(problem, point, others, mine, lr))
    return Changes(torch.cat(train), torch.cat(test))
