"""Seeds and test images, both resampled: against the variance of crossed samples, and its coverage."""

import numpy as np
import pytest

from sgdlab.analysis.image_resampling import interval_over_images, two_way_interval
from sgdlab.analysis.observations import Observation

BEST = "test_accuracy.best"


def crossed(generator, num_seeds, num_images):
    """Make images of a difficulty of their own, seeds of a skill of their own; both may be drawn anew."""
    skill = 1.5 + 0.1 * generator.normal(size=(num_seeds, 1))
    difficulty = generator.normal(size=(1, num_images))
    return skill + difficulty + 0.5 * generator.normal(size=(num_seeds, num_images)) > 0


def test_the_interval_holds_the_accuracy_on_all_images_and_seeds():
    truth = crossed(np.random.default_rng(0), 2000, 4000).mean()
    generator = np.random.default_rng(1)
    intervals = [two_way_interval(crossed(generator, 7, 200)) for _ in range(200)]
    coverage = np.mean([low <= truth <= high for low, high in intervals])
    assert 0.92 <= coverage <= 1.0  # a bootstrap of crossed samples is known to be too wide, never too short


def test_an_interval_over_seeds_alone_is_too_short_for_other_images():
    correct = crossed(np.random.default_rng(2), 7, 200)
    low, high = two_way_interval(correct)
    images = correct.mean(axis=0)
    assert high - low >= 2 * 1.96 * np.std(images) / np.sqrt(200)


def runs(correct, metric=BEST):
    return [
        Observation(
            panel="main",
            grid="sgd",
            point={},
            seed=seed,
            key=str(seed),
            state="done",
            metrics={metric: float(row.mean())},
        )
        for seed, row in enumerate(correct)
    ]


def test_bits_are_read_up_to_the_number_of_images():
    correct = crossed(np.random.default_rng(3), 5, 203)  # 26 bytes, the last one half full
    stored = {str(seed): {"correct_best": np.packbits(row)} for seed, row in enumerate(correct)}
    assert interval_over_images(runs(correct), BEST, stored.__getitem__) == two_way_interval(correct)


@pytest.mark.parametrize("metric", ["test_loss.final", "train_accuracy.final"])
def test_what_has_no_images_stored_has_no_interval(metric):
    correct = crossed(np.random.default_rng(4), 5, 16)
    assert interval_over_images(runs(correct, metric), metric, lambda key: {}) is None


def test_runs_without_correctness_and_too_few_runs_have_none():
    correct = crossed(np.random.default_rng(5), 5, 16)
    assert interval_over_images(runs(correct), BEST, lambda key: {}) is None
    stored = {str(seed): {"correct_best": np.packbits(row)} for seed, row in enumerate(correct)}
    assert interval_over_images(runs(correct)[:2], BEST, stored.__getitem__) is None
