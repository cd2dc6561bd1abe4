"""How often the error bar of an optimum holds the best point: of a sweep's own size, noise and flatness.

The bar of smith2020 is one standard deviation of single runs around a mean of several, and says nothing of
how sure the best point is: that depends on how flat the curve is, on n, and on the best k. So the sweep is
done again many times, with its seeds drawn anew, together for all points; the best point is the one with the
best mean over all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sgdlab.analysis.estimators.estimate import BOOTSTRAP_SEED, MIN_SEEDS
from sgdlab.analysis.protocol import PointSummary
from sgdlab.config.metrics import lower_is_better
from sgdlab.sweeps.spec import Protocol

_NUM_SWEEPS = 500  # the standard error of a coverage of 0.8 is then 0.02


def bar_coverage(points: Sequence[PointSummary], protocol: Protocol) -> float | None:
    """Return the share of resampled sweeps whose error bar holds the best point of all that are given.

    None where that isn't defined: too few runs, a single point with a value, or a metric other than the one
    that ranks runs.
    """
    valued = [point for point in points if point.best is not None]
    if len(valued) < 2 or valued[0].metric != protocol.rank_by or protocol.keep < 2:
        return None
    if protocol.seeds == "claims":
        return None  # n differs between points
    if min(len(point.finite) for point in valued) < MIN_SEEDS:
        return None
    sign = -1.0 if lower_is_better(protocol.rank_by) else 1.0
    heights = [sign * np.array(point.finite) for point in valued]
    truth = max(heights, key=np.mean)
    rivals = [one for one in heights if one is not truth and one.max() >= truth.min()]  # others never win
    seeds = np.random.default_rng(BOOTSTRAP_SEED + 3).random((_NUM_SWEEPS, protocol.num_seeds))
    mean_of_truth, deviation = _best_of(truth, seeds, protocol.keep)
    best = mean_of_truth
    for rival in rivals:
        mean, deviation_of_rival = _best_of(rival, seeds, protocol.keep)
        deviation = np.where(mean > best, deviation_of_rival, deviation)
        best = np.maximum(best, mean)
    return float(np.mean(mean_of_truth >= best - deviation))


def _best_of(heights: np.ndarray, seeds: np.ndarray, keep: int) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation of the best of the seeds drawn, (R,).

    They are the same seeds at each point that has all of its runs.
    """
    drawn = heights[(seeds * len(heights)).astype(int)]
    kept = np.sort(drawn, axis=1)[:, -keep:]
    return kept.mean(axis=1), kept.std(axis=1, ddof=1)
