"""Eq. 22 against every permutation of the examples, summed in plain numpy."""

from itertools import chain, permutations
from math import factorial

import numpy as np
import pytest
import torch

from sgdlab.theory.smith2021.expected_regularizer import (
    enumerated_mean,
    example_gradients,
    expected_regularizer,
    partitions_of,
    shuffled_regularizers,
)


@pytest.fixture(scope="module")
def gradients() -> torch.Tensor:
    return torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_the_formula_is_the_mean_over_all_permutations(gradients, size):
    shuffled = gradients.numpy()[list(permutations(range(6)))]  # (6!, 6, 4)
    of_batches = shuffled.reshape(720, 6 // size, size, 4).mean(axis=2)
    brute_force = np.square(of_batches).sum(axis=2).mean() / 4
    assert expected_regularizer(gradients, size) == pytest.approx(brute_force, rel=1e-13)
    assert enumerated_mean(gradients, size) == pytest.approx(brute_force, rel=1e-13)


@pytest.mark.parametrize(("size", "number"), [(1, 1), (2, 105), (4, 35), (8, 1)])
def test_partitions_are_all_there_once(size, number):
    found = list(partitions_of(range(8), size))
    assert number == factorial(8) // (factorial(size) ** (8 // size) * factorial(8 // size))
    assert len({frozenset(map(frozenset, partition)) for partition in found}) == len(found) == number
    assert all(sorted(chain(*partition)) == list(range(8)) for partition in found)


def test_random_shuffles_are_within_three_standard_errors():
    gradients = example_gradients(32, hidden=3)
    drawn = shuffled_regularizers(gradients, 4)
    standard_error = drawn.std(ddof=1) / np.sqrt(len(drawn))
    assert drawn.std() > 0
    assert abs(drawn.mean() - expected_regularizer(gradients, 4)) < 3 * standard_error
