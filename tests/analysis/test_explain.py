"""The runs behind a point: made-up results where each run's part is known."""

from dataclasses import replace

import numpy as np
import pytest

from sgdlab.analysis.explain import explain, record_of_explanation
from sgdlab.errors import UsageError

LR, WIDTHS = "optimizer.lr", "model.hidden_widths"
GRIDS = {"sgd": {LR: [2**-6, 2**-5]}, "penalty": {"regularizer.strength": [0.1]}}
ACCURACY = {0: 0.90, 1: 0.95, 2: None, 3: 0.80, 4: 0.93}


def nothing_stored(key):
    return {}


@pytest.fixture
def made(make_sweep, make_runs):
    sweep = make_sweep(GRIDS, num_seeds=5, keep=3)
    return sweep, make_runs(sweep, lambda grid, point, seed: ACCURACY[seed])


def test_each_run_with_its_part(made):
    sweep, observations = made
    (found,) = explain(sweep, observations, "optimizer.lr=2**-6", nothing_stored)
    assert [(run.seed, run.kept, run.state) for run in found.runs] == [
        (1, True, "done"),
        (4, True, "done"),
        (0, True, "done"),
        (3, False, "done"),
        (2, False, "diverged"),
    ]
    assert found.runs[0].why == "kept: ranks 1 of 5"
    assert found.runs[3].why.startswith("ranks 4 of 5")
    assert found.runs[4].why == "diverged"
    assert [run.key for run in found.runs] == [f"main-sgd-{2**-6}-{seed}" for seed in (1, 4, 0, 3, 2)]
    assert found.summary.value == pytest.approx((0.95 + 0.93 + 0.90) / 3)


def test_what_is_left_open_is_explained_at_every_point(made):
    sweep, observations = made
    assert len(explain(sweep, observations, "", nothing_stored)) == 3
    assert len(explain(sweep, observations, "grid=sgd", nothing_stored)) == 2
    (found,) = explain(sweep, observations, "panel=main, grid=penalty, strength=0.1", nothing_stored)
    assert found.summary.grid == "penalty"


def test_a_list_is_a_value(make_sweep, make_runs):
    sweep = make_sweep({"sgd": {WIDTHS: [[32, 32], [64]]}}, num_seeds=3)
    observations = make_runs(sweep, lambda grid, point, seed: 0.5)
    (found,) = explain(sweep, observations, "hidden_widths=[32, 32]", nothing_stored)
    assert found.summary.point[WIDTHS] == [32, 32]


def test_a_run_that_nobody_has_seen_is_there_as_missing(made):
    sweep, observations = made
    seen = [run for run in observations if run.seed != 4]
    found = explain(sweep, seen, "grid=penalty", nothing_stored)[0]
    assert found.runs[-1].state == "missing"
    assert found.runs[-1].key == ""


def test_test_images_are_resampled_where_they_are_stored(made):
    sweep, observations = made
    bits = {0: 18, 1: 19, 3: 16, 4: 18}  # of 20
    runs = [
        replace(run, metrics={"test_accuracy.best": bits[run.seed] / 20}) if run.seed in bits else run
        for run in observations
    ]
    stored = {
        run.key: {"correct_best": np.packbits(np.arange(20) < bits[run.seed])}
        for run in runs
        if run.seed in bits
    }
    (found,) = explain(sweep, runs, "grid=penalty", stored.__getitem__)
    seeds, images = found.summary.unselected_interval, found.interval_over_images
    assert images[0] < seeds[0]
    assert images[1] > seeds[1]
    assert record_of_explanation(found)["unselected_interval_over_images"] == images


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("optimizer.lr=2**-7", r"optimizer\.lr=2\*\*-6 or 2\*\*-5"),
        ("grid=nothing", "grid=sgd"),
        ("optimizer.lr", "AXIS=VALUE"),
        ("batch_size=8", "no point of made/up fits"),
    ],
)
def test_a_point_that_is_not_there_is_refused(made, where, says):
    sweep, observations = made
    with pytest.raises(UsageError, match=says):
        explain(sweep, observations, where, nothing_stored)
