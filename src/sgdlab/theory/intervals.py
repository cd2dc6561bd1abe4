"""The mean of independent values, and how well it is known."""

from __future__ import annotations

import numpy as np
from scipy import stats


def mean_interval(values: np.ndarray) -> tuple[float, float]:
    """Return the mean of values ``(K,)`` and half of its 95 % interval, by Student's t."""
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(half)
