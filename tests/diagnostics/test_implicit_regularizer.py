"""C_reg and ‖∇C‖² against enumerations of all shuffles, on gradients that are just numbers."""

import itertools

import numpy as np
import pytest
import torch

from sgdlab.diagnostics.implicit_regularizer import gradient_statistics

NUM_RUNS = 2


@pytest.fixture
def per_example():
    """Gradients of each example's cost, (N, R, P), with a mean that isn't 0; P falls into two tensors."""

    def make(num_examples: int) -> np.ndarray:
        return np.random.default_rng(num_examples).normal(0.3, 1, (num_examples, NUM_RUNS, 7))

    return make


def measure(gradients: np.ndarray, partition, batch_size: int):
    def mean_gradients(examples: torch.Tensor):
        mean = torch.from_numpy(gradients)[examples].mean(dim=0)
        return mean[:, :4].view(NUM_RUNS, 2, 2), mean[:, 4:]

    return gradient_statistics(mean_gradients, torch.tensor(partition), batch_size)


def batch_gradients(gradients, partition, batch_size) -> np.ndarray:
    """(m, R, P): of the full batches only."""
    num_batches = len(partition) // batch_size
    return np.stack(
        [
            gradients[list(partition[k * batch_size : (k + 1) * batch_size])].mean(axis=0)
            for k in range(num_batches)
        ]
    )


def norm_sq(vectors: np.ndarray) -> np.ndarray:
    return (vectors**2).sum(axis=-1)


@pytest.mark.parametrize(("num_examples", "batch_size"), [(6, 2), (6, 6), (7, 3), (5, 4), (4, 1)])
def test_definitions(per_example, num_examples, batch_size) -> None:
    # ‖∇C‖² is of the whole set, examples that fill no batch included; C_reg is of the full batches
    gradients = per_example(num_examples)
    partition = np.random.default_rng(1).permutation(num_examples).tolist()
    measured = measure(gradients, partition, batch_size)
    batches = batch_gradients(gradients, partition, batch_size)
    np.testing.assert_allclose(measured.c_reg, norm_sq(batches).sum(axis=0) / (4 * len(batches)), rtol=1e-12)
    np.testing.assert_allclose(measured.gradient_norm_sq, norm_sq(gradients.mean(axis=0)), rtol=1e-12)
    assert measured.c_reg.shape == measured.gradient_norm_sq.shape == (NUM_RUNS,)


def test_it_splits_into_the_full_gradient_and_the_spread_of_the_batches(per_example) -> None:
    """Equation 2, which needs B to divide N."""
    gradients = per_example(12)
    measured = measure(gradients, range(12), 3)
    batches = batch_gradients(gradients, range(12), 3)
    spread = norm_sq(batches - gradients.mean(axis=0)).mean(axis=0) / 4
    np.testing.assert_allclose(measured.c_reg, measured.gradient_norm_sq.numpy() / 4 + spread, rtol=1e-12)


@pytest.mark.parametrize(("num_examples", "batch_size"), [(6, 1), (6, 2), (6, 3), (6, 6), (5, 2), (5, 3)])
def test_the_mean_over_all_shuffles_is_that_of_equation_22(per_example, num_examples, batch_size) -> None:
    # Each batch of a shuffle is a uniform subset, so that it holds where B doesn't divide N, too
    gradients = per_example(num_examples)
    shuffles = list(itertools.permutations(range(num_examples)))
    mean = sum(measure(gradients, shuffle, batch_size).c_reg.numpy() for shuffle in shuffles) / len(shuffles)
    full = gradients.mean(axis=0)
    trace = norm_sq(gradients - full).mean(axis=0)  # Γ
    without_replacement = (num_examples - batch_size) / (num_examples - 1)
    expected = norm_sq(full) / 4 + without_replacement * trace / (4 * batch_size)
    np.testing.assert_allclose(mean, expected, rtol=1e-10)


def test_sums_are_in_float64_whatever_the_gradients_are() -> None:
    # 4,000 batches of squared norm 2⁻²⁴ after one of 1: float32 would lose them all
    values = torch.full((4001, 1, 1), 2.0**-12)
    values[0] = 1
    measured = gradient_statistics(lambda examples: (values[examples].mean(dim=0),), torch.arange(4001), 1)
    assert measured.c_reg.item() == (1 + 4000 * 2.0**-24) / (4 * 4001)


@pytest.mark.parametrize("batch_size", [0, 5])
def test_without_a_full_batch_there_is_nothing_to_measure(per_example, batch_size) -> None:
    with pytest.raises(ValueError, match=f"batch_size={batch_size} must be between 1 and the 4 examples"):
        measure(per_example(4), range(4), batch_size)
