"""One odd seed: what it does to a verdict."""

import numpy as np
import pytest

from sgdlab.analysis.claims import judge

LR = "optimizer.lr"


def gain(make_sweep, make_runs, gains, **expect):
    """Judge the last point minus the first, where seed i gains gains[i]."""
    claim = {
        "kind": "gain",
        "says": "made up",
        "metric": "test_accuracy.best",
        "start": {"grid": "sgd", "at": "first"},
        "to": {"grid": "sgd", "at": "last"},
        "expect": expect,
    }
    sweep = make_sweep({"sgd": {LR: [1, 2]}}, num_seeds=len(gains), keep=len(gains) - 1, claims=[claim])
    runs = make_runs(sweep, lambda grid, point, seed: 0.5 + (point[LR] - 1) * gains[seed])
    (verdict,) = judge(sweep, runs)
    return verdict


def test_seeds_that_agree_are_supported(make_sweep, make_runs):
    verdict = gain(make_sweep, make_runs, [0.02, 0.03, 0.025, 0.02, 0.03], above=0)
    assert verdict.verdict == "supported"
    assert "seed" not in verdict.reason


def test_one_broken_seed_leaves_it_undecided_and_is_named(make_sweep, make_runs):
    verdict = gain(make_sweep, make_runs, [0.02, 0.03, 0.025, -0.4, 0.03], above=0)
    assert verdict.verdict == "inconclusive"
    assert "without seed 3 alone it would be supported, at 0.02625" in verdict.reason


def test_no_seed_is_blamed_where_all_scatter(make_sweep, make_runs):
    verdict = gain(make_sweep, make_runs, [0.2, -0.2, 0.15, -0.1, 0.05], above=0)
    assert verdict.verdict == "inconclusive"
    assert "seed" not in verdict.reason


@pytest.mark.parametrize("seed", range(20))
def test_an_interval_holds_the_number_without_any_one_seed(make_sweep, make_runs, seed):
    gains = np.random.default_rng(seed).standard_cauchy(5)  # odd seeds are common
    low, high = gain(make_sweep, make_runs, gains, above=0).interval
    assert all(low <= np.mean(np.delete(gains, odd)) <= high for odd in range(5))


@pytest.mark.parametrize("num_seeds", [3, 4])
def test_with_few_seeds_none_is_left_out(make_sweep, make_runs, num_seeds):
    verdict = gain(make_sweep, make_runs, [0.02, 0.03, 0.025, -0.4][:num_seeds], above=0)
    assert ("without seed" in verdict.reason) == (num_seeds == 4)
