"""Every set of examples that can be drawn, with its probability: expectations are sums, not estimates."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sets:
    """Sets of b draws, as indices of examples, and how probable each is."""

    examples: Tensor  # (K, b) int64, an index twice where an example was drawn twice
    probabilities: Tensor  # (K,) float64, their sum is 1

    def mean(self, values: Tensor) -> Tensor:
        """Return the expectation ``(…)`` of what each set gives, ``(K, …)``."""
        weighted: Tensor = torch.tensordot(self.probabilities, values, dims=1)
        return weighted


Draws = Callable[[int, int], Sets]  # number of examples, of draws → every set


def draws_with_replacement(num_examples: int, num_draws: int) -> Sets:
    """Return the multisets of b independent draws with their multinomial probabilities."""
    rows = list(combinations_with_replacement(range(num_examples), num_draws))
    orders = [
        math.factorial(num_draws) / math.prod(map(math.factorial, Counter(row).values())) for row in rows
    ]
    examples = torch.tensor(rows, dtype=torch.int64).view(len(rows), num_draws)
    return Sets(examples, torch.tensor(orders, dtype=torch.float64) / num_examples**num_draws)


def draws_without_replacement(num_examples: int, num_draws: int) -> Sets:
    """Return the subsets of b examples, all equally likely."""
    rows = torch.tensor(list(combinations(range(num_examples), num_draws)))
    return Sets(rows, torch.full((len(rows),), 1 / len(rows), dtype=torch.float64))


def independent(first: Sets, second: Sets) -> tuple[Sets, Sets]:
    """Return every pair of two independent sets: both with K₁·K₂ rows, row by row a pair."""
    rows = torch.cartesian_prod(torch.arange(len(first.examples)), torch.arange(len(second.examples)))
    probabilities = first.probabilities[rows[:, 0]] * second.probabilities[rows[:, 1]]
    return Sets(first.examples[rows[:, 0]], probabilities), Sets(second.examples[rows[:, 1]], probabilities)
