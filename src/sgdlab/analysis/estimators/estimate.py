"""What an estimator returns, and its two kinds of interval over seeds: Student's t, and bootstrap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

LEVEL = 0.95
MIN_SEEDS = 3  # with two, the t-quantile is 12.7 and a bootstrap has three different samples
NUM_RESAMPLES = 2000  # the percentiles of 7 seeds are then the 8th smallest and largest
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
    mean = float(np.mean(samples))
    reach = student_quantile(len(samples)) * float(np.std(samples, ddof=1)) / math.sqrt(len(samples))
    return mean, (mean - reach, mean + reach)


def mean_interval(samples: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean of at least two samples."""
    means = resample(len(samples)) @ np.asarray(samples) / len(samples)
    return percentile_interval(means, means, len(samples))


@cache
def resample(num_seeds: int) -> np.ndarray:
    """Return how often each seed is drawn in each resample, (R, S); the same for the same number of seeds."""
    generator = np.random.default_rng(BOOTSTRAP_SEED)
    counts = generator.multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), size=NUM_RESAMPLES)
    counts.setflags(write=False)  # everybody is given the same
    return counts


def percentile_interval(
    low_samples: np.ndarray, high_samples: np.ndarray, num_seeds: int
) -> tuple[float, float]:
    """Return the low percentile of the first and the high one of the second; samples may be infinite.

    With few seeds the 2.5 % and 97.5 % percentiles lie too close together: resampling n values spreads like
    a deviation over n, not n − 1, and knows nothing of Student's t. Of a mean of 7 normal values they cover
    88 %. So the percentiles are those at Φ(−t √(n/(n − 1))), with t the quantile of Student's interval, which
    makes that 94 % (Hesterberg 2015, "What teachers should know about the bootstrap", expanded percentiles).

    Both are order statistics, rounded outwards: to interpolate between infinite samples has no meaning.
    """
    if np.isnan(low_samples).any() or np.isnan(high_samples).any():
        return math.nan, math.nan
    tail = _expanded_tail(num_seeds)
    first = math.floor((len(low_samples) - 1) * tail)
    last = math.ceil((len(high_samples) - 1) * (1 - tail))
    low, high = np.partition(low_samples, first)[first], np.partition(high_samples, last)[last]
    return float(low), float(high)


@cache
def _expanded_tail(num_seeds: int) -> float:
    from scipy.special import ndtr

    return float(ndtr(-student_quantile(num_seeds) * math.sqrt(num_seeds / (num_seeds - 1))))


@cache
def student_quantile(num_samples: int, level: float = LEVEL) -> float:
    """Return how many standard errors Student's interval of a mean reaches to either side."""
    from scipy.special import stdtrit

    return float(stdtrit(num_samples - 1, 0.5 + level / 2))
