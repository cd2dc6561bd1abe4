"""What an estimator returns, and its two kinds of interval over seeds: Student's t, and bootstrap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
MIN_SEEDS = 3  # with two, the t-quantile is 12.7 and a bootstrap has three different samples
NUM_RESAMPLES = 2000  # the standard error of a 2.5 % quantile's rank is then 0.35 %
BOOTSTRAP_SEED = 20210128


@dataclass(frozen=True)
class Estimate:
    """One number about a curve or two, over seeds."""

    value: float | None
    interval: tuple[float, float] | None  # 95 %; an infinite end where the data bound one side only
    num_seeds: int  # that entered the number
    rule: str  # how it was computed, readable
    remarks: tuple[str, ...] = ()  # what was left out, and other things that a reader must know
    obstacle: str | None = None  # why it decides nothing, whatever the interval says


def t_interval(samples: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """Return the mean of at least two samples and Student's 95 % interval of it."""
    from scipy.special import stdtrit

    mean = float(np.mean(samples))
    standard_error = float(np.std(samples, ddof=1)) / math.sqrt(len(samples))
    reach = float(stdtrit(len(samples) - 1, 0.5 + LEVEL / 2)) * standard_error
    return mean, (mean - reach, mean + reach)


def resample(num_seeds: int) -> np.ndarray:
    """Return how often each seed is drawn in each resample, (R, S); the same for the same number of seeds."""
    generator = np.random.default_rng(BOOTSTRAP_SEED)
    return generator.multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), size=NUM_RESAMPLES)


def percentile_interval(low_samples: np.ndarray, high_samples: np.ndarray) -> tuple[float, float]:
    """Return the 2.5 % percentile of the first and the 97.5 % one of the second; samples may be infinite.

    Both are order statistics, rounded outwards: to interpolate between infinite samples has no meaning.
    """
    tail = (1 - LEVEL) / 2
    low = np.quantile(low_samples, tail, method="lower")
    high = np.quantile(high_samples, 1 - tail, method="higher")
    return float(low), float(high)
