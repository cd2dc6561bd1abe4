"""Numbers from the means of G groups of samples: distances without the noise's share, and standard errors.

The distance of an average from a point is too large: the noise of the average adds its own square. With
e_g = (mean of group g) − point, the mean of e_g·e_h over pairs of different groups is ‖E e‖² without bias.

Standard errors are the jackknife's: each group is left out once, and (G − 1)/G times the sum of the squared
deviations of what is then found is its variance. It holds for any smooth function of the groups' means.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import stdtrit
from torch import Tensor


@dataclass(frozen=True)
class Jackknifed:
    """Numbers, and how far chance alone moves them."""

    values: np.ndarray  # (K,)
    standard_errors: np.ndarray  # (K,)
    num_groups: int

    @property
    def reaches(self) -> np.ndarray:
        """Half of Student's 95 % interval, ``(K,)``."""
        return np.asarray(stdtrit(self.num_groups - 1, 0.975) * self.standard_errors)

    def interval(self, index: int) -> tuple[float, float]:
        """Return the 95 % interval of one of the numbers."""
        value, reach = float(self.values[index]), float(self.reaches[index])
        return value - reach, value + reach


def jackknife(statistic: Callable[[Tensor], np.ndarray], num_groups: int) -> Jackknifed:
    """Compute numbers ``(K,)`` from the groups with the given indices: from all, and without each in turn."""
    everyone = torch.arange(num_groups)
    without = np.stack([statistic(everyone[everyone != left_out]) for left_out in range(num_groups)])
    variances = (num_groups - 1) ** 2 / num_groups * without.var(axis=0, ddof=1)
    return Jackknifed(statistic(everyone), np.sqrt(variances), num_groups)


def distance(groups: Tensor, point: Tensor) -> float:
    """Return how far the expectation of the groups' means ``(G, P)`` is from a point ``(P,)``.

    It is 0 where noise alone would explain what is seen.
    """
    num_groups = len(groups)
    away = groups - point
    square = away.sum(dim=0).square().sum() - away.square().sum()
    return math.sqrt(max(0.0, square.item() / (num_groups * (num_groups - 1))))


def deviation(groups: Tensor, group_size: int) -> float:
    """Return √tr Σ, Σ the covariance of one sample, from the means ``(G, P)`` of groups of samples."""
    return math.sqrt(group_size * groups.var(dim=0, correction=1).sum().item())
