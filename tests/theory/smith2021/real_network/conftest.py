"""Iterates whose errors and noise are made up, and a setting that costs nothing."""

import pytest
import torch

from sgdlab.theory.problems import quadratic
from sgdlab.theory.smith2021.real_network.mean_iterate import MeanIterate
from sgdlab.theory.smith2021.real_network.setting import Setting

NUM_GROUPS, SIZE = 10, 5


@pytest.fixture(scope="session")
def iterate():
    """An iterate at these distances from the flows; `noise` is a group's deviation in each direction."""

    def make(lr: float, error: float, plain_error: float, noise: float, seed: int = 0) -> MeanIterate:
        generator = torch.Generator().manual_seed(seed)
        means = noise * torch.randn(NUM_GROUPS, SIZE, generator=generator, dtype=torch.float64)
        modified, plain = torch.zeros(2, SIZE, dtype=torch.float64)
        modified[0], plain[1] = error, plain_error
        return MeanIterate(lr, 1, lr, 100 * means, 10 * means, means, modified, plain)

    return make


@pytest.fixture(scope="session")
def setting() -> Setting:
    """256 quadratic costs in five dimensions, all with Hessian 2."""
    hessians = 2 * torch.eye(SIZE, dtype=torch.float64).expand(256, -1, -1)
    minima = torch.randn(256, SIZE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return Setting(quadratic(hessians, minima, torch.ones(SIZE, dtype=torch.float64)), 1.0, 2.0)
