"""Distances without the noise's share, and standard errors, on noise whose size is known."""

import math

import numpy as np
import pytest
import torch

from sgdlab.theory.group_statistics import deviation, distance, jackknife

NUM_GROUPS, SIZE = 8, 30


def noisy_means(away: float, deviation_of_a_mean: float, trial: int) -> torch.Tensor:
    """Means of groups around a point at distance `away` from 0."""
    generator = torch.Generator().manual_seed(trial)
    noise = torch.randn(NUM_GROUPS, SIZE, generator=generator, dtype=torch.float64) * deviation_of_a_mean
    noise[:, 0] += away
    return noise


def test_without_noise_it_is_the_distance():
    groups = torch.tensor([[3.0, 0.0]]).expand(5, -1).double()
    assert distance(groups, torch.tensor([0.0, 4.0]).double()) == pytest.approx(5.0)


def test_noise_adds_nothing_on_average():
    # The squared distance of the plain average would be 1 + 30/8·0.2² = 1.15
    squares = np.array(
        [distance(noisy_means(1.0, 0.2, trial), torch.zeros(SIZE)) ** 2 for trial in range(400)]
    )
    assert abs(squares.mean() - 1) < 3 * squares.std(ddof=1) / math.sqrt(400) < 0.03


def test_where_noise_explains_all_it_is_zero_about_half_of_the_time():
    found = [distance(noisy_means(0.0, 1.0, trial), torch.zeros(SIZE)) for trial in range(200)]
    assert 60 < sum(one == 0 for one in found) < 140  # the median of the square is just below 0


def test_the_jackknife_of_a_mean_is_its_standard_error():
    samples = torch.tensor([1.0, 4.0, 2.0, 7.0, 5.5]).double()
    found = jackknife(lambda groups: samples[groups].mean(dim=0, keepdim=True).numpy(), 5)
    error = samples.std().item() / math.sqrt(5)
    assert found.standard_errors == pytest.approx([error])
    assert found.interval(0) == pytest.approx((3.9 - 2.776445 * error, 3.9 + 2.776445 * error))


def test_the_jackknife_covers_the_spread_of_a_distance():
    def error(trial) -> tuple[float, float]:
        groups = noisy_means(1.0, 0.05, trial)
        found = jackknife(lambda kept: np.array([distance(groups[kept], torch.zeros(SIZE))]), NUM_GROUPS)
        return found.values[0], found.standard_errors[0]

    values, errors = np.array([error(trial) for trial in range(200)]).T
    # The spread of 200 values is known to 5 %, the root of the mean of 200 variances with 7 dof to 3 %
    assert math.sqrt((errors**2).mean()) == pytest.approx(values.std(ddof=1), rel=0.2)


def test_the_deviation_is_of_one_sample():
    samples = torch.randn(600, 5, SIZE, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
    # √tr Σ = 3·√30, from 600·30 squares: known to 0.5 %
    assert deviation(samples.mean(dim=1), group_size=5) == pytest.approx(3 * math.sqrt(SIZE), rel=0.02)
