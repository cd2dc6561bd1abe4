"""Levels, slopes and shares of made-up curves that are known; intervals against scipy's own."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from sgdlab.analysis.claims import judge

LR = "optimizer.lr"
X, Y = "instability.curve", "relative_loss_change.curve"
NUM_SEEDS = 5
SLOPES = np.array([0.9, 1.0, 1.1, 0.95, 1.05])
UPDATES = np.arange(0, 101, 10)  # eleven evaluations


def curves_of(point, seed):
    """Instability rises from 0 by 0.2 an evaluation to 2; past 1 the loss changes by half as much."""
    x = 0.2 * np.arange(11)
    slope = SLOPES[seed] * point[LR]
    y = np.where(x <= 1.05, slope * (x - 1), 0.5 * slope * (x - 1))
    return {"updates": UPDATES, "instability": x, "relative_loss_change": y}


@pytest.fixture
def judge_curves(make_sweep, make_runs):
    """Return judge_curves(claim): the verdict on runs with the curves above; `change` replaces a run."""

    def run(claim, expect=None, rates=(1.0,), keep=None, change=lambda run: run):
        full = {"says": "made up", "grid": "gd", "expect": expect or {"above": 0}, **claim}
        sweep = make_sweep({"gd": {LR: list(rates)}}, NUM_SEEDS, keep, claims=[full])
        runs = [
            change(replace(run, curves=curves_of(run.point, run.seed)))
            for run in make_runs(sweep, lambda grid, point, seed: 0.5)
        ]
        (verdict,) = judge(sweep, runs)
        return verdict

    return run


SLOPE = {"kind": "slope", "x": X, "y": Y}
EARLY = {"before": {"metric": X, "above": 1.01}}
LATE = {"after": {"metric": X, "above": 0.99}}


@pytest.mark.parametrize(
    ("expect", "verdict"),
    [
        ({"within": [0.8, 1.2]}, "supported"),
        ({"below": 0.8}, "not supported"),
        ({"above": 1}, "inconclusive"),
    ],
)
def test_a_slope_is_each_runs_own_and_its_interval_over_seeds(judge_curves, expect, verdict):
    result = judge_curves({**SLOPE, "during": EARLY}, expect)
    interval = stats.ttest_1samp(SLOPES, 0).confidence_interval(0.95)
    assert result.verdict == verdict
    assert result.estimate == pytest.approx(1)
    assert result.interval == pytest.approx((interval.low, interval.high))
    assert result.num_seeds == NUM_SEEDS
    assert result.rule.startswith(
        "slope of relative_loss_change.curve on instability.curve over the evaluations of a run of 'gd' "
        "before the first with instability > 1.01, mean over seeds; expected "
    )


def test_a_window_chooses_the_evaluations(judge_curves):
    assert judge_curves({**SLOPE, "during": LATE}).estimate == pytest.approx(0.5)
    assert judge_curves({**SLOPE, "during": {"part": [0.5, 1]}}).estimate == pytest.approx(0.5)
    assert judge_curves({**SLOPE, "during": {"where": [{"metric": X, "below": 1.01}]}}).estimate == (
        pytest.approx(1)
    )
    whole = [stats.linregress(*(curves_of({LR: 1.0}, s)[k] for k in ("instability", "relative_loss_change")))
             for s in range(NUM_SEEDS)]  # fmt: skip
    assert judge_curves(SLOPE).estimate == pytest.approx(np.mean([line.slope for line in whole]))


@pytest.mark.parametrize(
    ("expect", "verdict"),
    [
        ({"above": 0.39}, "supported"),
        ({"within": [0.1, 0.2]}, "not supported"),
        ({"below": 0.4}, "inconclusive"),
    ],
)
def test_a_level_is_the_mean_over_the_evaluations(judge_curves, expect, verdict):
    def spread(run):
        shift = np.array([-0.001, 0, 0.001, -0.0005, 0.0005])[run.seed]
        return replace(run, curves={**run.curves, "instability": run.curves["instability"] + shift})

    claim = {"kind": "level", "metric": X, "during": {"part": [0, 0.4]}}  # 0, 0.2, 0.4, 0.6, 0.8
    result = judge_curves(claim, expect, change=spread)
    assert result.estimate == pytest.approx(0.4)
    assert result.verdict == verdict


def test_a_median_is_not_a_mean(judge_curves):
    def with_outlier(run):
        return replace(run, curves={**run.curves, "instability": np.array([1.0] * 10 + [1000.0])})

    claim = {"kind": "level", "metric": X}
    assert judge_curves({**claim, "take": "median"}, change=with_outlier).estimate == 1
    assert judge_curves(claim, change=with_outlier).estimate == pytest.approx(1010 / 11)


@pytest.mark.parametrize(
    ("expect", "verdict"),
    [({"above": 0.5}, "supported"), ({"below": 0.5}, "not supported"), ({"above": 0.8}, "inconclusive")],
)
def test_a_share_counts_among_the_evaluations_of_the_window(judge_curves, expect, verdict):
    """Of the five evaluations past 1, four or five lie above the bound, by seed."""

    def shift(run):
        return replace(
            run, curves={**run.curves, "concentration": run.curves["instability"] - 0.15 * (run.seed % 2)}
        )

    claim = {
        "kind": "share",
        "of": {"metric": "concentration.curve", "above": 1.1},
        "during": {"where": [{"metric": X, "above": 1.1}]},
    }
    result = judge_curves(claim, expect, change=shift)
    assert result.estimate == pytest.approx((3 * 1 + 2 * 0.8) / 5)
    assert result.verdict == verdict


def test_what_is_not_finite_satisfies_nothing_and_is_left_out(judge_curves):
    def broken(run):
        x = run.curves["instability"].copy()
        x[[0, 7]] = [np.nan, np.inf]
        return replace(run, curves={**run.curves, "instability": x})

    level = judge_curves({"kind": "level", "metric": X}, change=broken)
    assert level.estimate == pytest.approx((2.2 * 5 - 0 - 1.4) / 9)
    share = {"kind": "share", "of": {"metric": X, "above": 1.1}}
    assert judge_curves(share, change=broken).estimate == pytest.approx(4 / 9)
    late = {"kind": "level", "metric": Y, "during": {"after": {"metric": X, "above": 1.3}}}
    assert judge_curves(late, change=broken).estimate == pytest.approx(0.5 * np.mean([0.6, 0.8, 1.0]))


def test_points_of_a_grid(judge_curves):
    rates = (2.0, 1.0, 6.0)
    claim = {**SLOPE, "during": EARLY}
    assert judge_curves(claim, rates=rates).estimate == pytest.approx(3)
    assert judge_curves({**claim, "at": "first"}, rates=rates).estimate == pytest.approx(1)
    last = judge_curves({**claim, "at": "last"}, rates=rates)
    assert last.estimate == pytest.approx(6)
    assert "at its last point" in last.rule


def test_a_run_without_the_evaluations_is_left_out_and_said(judge_curves):
    claim = {"kind": "level", "metric": Y, "during": {"after": {"metric": X, "above": 1.5}}}

    def never_there(*seeds):
        def change(run):
            tame = run.curves["instability"] / 2
            return replace(run, curves={**run.curves, "instability": tame}) if run.seed in seeds else run

        return change

    result = judge_curves(claim, keep=3, change=never_there(0, 1))
    assert (result.verdict, result.num_seeds) == ("supported", 3)
    assert "2 × no evaluation that counts" in result.reason
    few = judge_curves(claim, keep=3, change=never_there(0, 1, 2))
    assert few.verdict == "inconclusive"
    assert few.reason.startswith("2 runs of grid 'gd' at optimizer.lr=1 have the number, 3 are needed")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda run: replace(run, state="diverged"), "too many runs of grid 'gd' at optimizer.lr=1 diverged"),
        (lambda run: replace(run, state="missing"), "grid 'gd' is unfinished at optimizer.lr=1"),
        (
            lambda run: replace(run, curves={}),
            "0 runs of grid 'gd' at optimizer.lr=1 have the number, 5 are needed",
        ),
    ],
)
def test_what_is_unfinished_diverged_or_unmeasured_decides_nothing(judge_curves, change, reason):
    result = judge_curves({"kind": "level", "metric": X}, change=change)
    assert (result.verdict, result.estimate) == ("inconclusive", None)
    assert result.reason.startswith(reason)


def test_a_line_through_two_evaluations_is_none(judge_curves):
    result = judge_curves({**SLOPE, "during": {"part": [0, 0.1]}})
    assert result.verdict == "inconclusive"
    assert "5 × fewer than 3 evaluations that count" in result.reason
