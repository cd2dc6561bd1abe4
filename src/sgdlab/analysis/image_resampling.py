"""How far a mean accuracy could move, had the test images been others too.

An interval over seeds takes the test set as given: another few hundred digits would have given other
accuracies, and to all runs alike. So both are drawn anew, the seeds and the images, independently, and each
resample is the mean over the images drawn of the seeds drawn: the pigeonhole bootstrap (Owen 2007), which for
crossed samples is known to err towards intervals that are too wide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np

from sgdlab.analysis.estimators.estimate import (
    BOOTSTRAP_SEED,
    MIN_SEEDS,
    NUM_RESAMPLES,
    percentile_interval,
    resample,
)
from sgdlab.analysis.observations import Observation
from sgdlab.analysis.protocol import why_unusable

ReadCurves = Callable[[str], Mapping[str, np.ndarray]]
"""From a run's key to its stored curves, its correctness bits among them."""

_CORRECTNESS = {"test_accuracy.best": "correct_best", "test_accuracy.final": "correct_final"}
_ROWS_AT_ONCE = 250  # resamples; with 10,000 images that is 10 MB


def interval_over_images(
    runs: Sequence[Observation], metric: str, read_curves: ReadCurves
) -> tuple[float, float] | None:
    """Return the 95 % interval of a point's mean accuracy over every finite run, seeds and images resampled.

    None of another metric than an accuracy whose images are stored, and of fewer than three finite runs.

    Raises
    ------
    DamagedRunError
        If a run's curves can't be read.
    """
    finite = [run for run in runs if why_unusable(run, metric) is None]
    if metric not in _CORRECTNESS or len(finite) < MIN_SEEDS:
        return None
    bits = [read_curves(run.key).get(_CORRECTNESS[metric]) for run in finite]
    stored = [one for one in bits if one is not None]
    if len(stored) < len(bits):
        return None  # stored before correctness was
    correct = np.unpackbits(np.stack(stored), axis=1)
    return two_way_interval(correct[:, : _num_images(correct, [run.metrics[metric] for run in finite])])


def two_way_interval(correct: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the mean of ``(S, M)``, seeds by images, both resampled."""
    num_seeds, num_images = correct.shape
    drawn = _resampled_images(num_images)
    accuracies = np.vstack(
        [
            drawn[start : start + _ROWS_AT_ONCE].astype(np.float32) @ correct.T.astype(np.float32)
            for start in range(0, len(drawn), _ROWS_AT_ONCE)
        ]
    )
    means = (accuracies * resample(num_seeds)).sum(axis=1, dtype=np.float64) / (num_seeds * num_images)
    return percentile_interval(means, means, num_seeds)


def _num_images(correct: np.ndarray, accuracies: Sequence[float]) -> int:
    """Return M: bits are stored in whole bytes, and an accuracy is its share of ones among M."""
    ones = correct.sum(axis=1)
    most = int(np.argmax(ones))
    return round(float(ones[most] / accuracies[most])) if ones[most] else correct.shape[1]


@cache
def _resampled_images(num_images: int) -> np.ndarray:
    """Return how often each image is drawn in each resample, (R, M)."""
    generator = np.random.default_rng(BOOTSTRAP_SEED + 2)
    drawn = np.empty((NUM_RESAMPLES, num_images), np.uint8)
    for row in drawn:
        row[:] = np.bincount(generator.integers(num_images, size=num_images), minlength=num_images)
    return drawn
