"""Families of tuned curves whose order is put in; the number against Page's L by scipy."""

import math

import numpy as np
import pytest
from scipy import stats

LR, N, E = "optimizer.lr", "optimizer.inner_steps", "budget.num_epochs"
STEPS = (1, 2, 4, 8)
GRIDS = {"nstep": {N: list(STEPS), LR: [2.0**k for k in range(-6, 1)]}}
NOISE = np.random.default_rng(5).normal(0, 1, (len(STEPS), 5))


def family(fall, noise=0.0):
    """Tuned at log2 lr = −3, the height falls by `fall` a doubling of n."""

    def value(grid, point, seed):
        n = STEPS.index(point[N])
        return 0.9 - fall * n + noise * NOISE[n, seed] - 0.05 * (math.log2(point[LR]) + 3) ** 2

    return value


def run(judge_one, value, expect, grids=GRIDS, **options):
    claim = {"kind": "order", "grid": "nstep", "along": N, "tuned": [LR], "expect": expect}
    return judge_one(claim, grids, value, **options)


@pytest.mark.parametrize(
    ("fall", "noise", "verdict"),
    [(0.01, 0.002, "supported"), (-0.01, 0.002, "not supported"), (0.0, 0.01, "inconclusive")],
)
def test_smaller_n_is_better(judge_one, fall, noise, verdict):
    result = run(judge_one, family(fall, noise), {"below": 0})
    assert result.verdict == verdict
    heights = 0.9 - fall * np.arange(4)[:, None] + noise * NOISE  # (n, seed)
    k, seeds = heights.shape
    page = stats.page_trend_test(heights.T).statistic
    assert result.estimate == pytest.approx(12 * page / (seeds * k * (k**2 - 1)) - 3 * (k + 1) / (k - 1))
    assert -1 <= result.interval[0] <= result.estimate <= result.interval[1] <= 1


def test_a_perfect_order_is_minus_one_and_a_tie_is_nothing(judge_one):
    assert run(judge_one, family(0.01), {"below": 0}).interval == (-1, -1)
    tied = run(judge_one, family(0.0), {"below": 0})
    assert (tied.verdict, tied.estimate) == ("not supported", 0)


def test_the_mean_over_other_axes(judge_one):
    """Falls with n at the small budget, rises at the large one: no order on average."""
    grids = {"nstep": {E: [10, 20], **GRIDS["nstep"]}}

    def value(grid, point, seed):
        return family(0.01 if point[E] == 10 else -0.01)(grid, point, seed)

    assert run(judge_one, value, {"below": 0}, grids).estimate == pytest.approx(0)
    assert "mean over budget.num_epochs" in run(judge_one, value, {"below": 0}, grids).rule


def test_an_optimum_at_the_edge_decides_nothing(judge_one):
    def value(grid, point, seed):
        return point[LR] if point[N] == 4 else family(0.01)(grid, point, seed)

    result = run(judge_one, value, {"below": 0})
    assert result.verdict == "inconclusive"
    assert result.reason.startswith(
        "test_accuracy.best of grid 'nstep' is best at optimizer.inner_steps=4, optimizer.lr=1, "
        "the high end of optimizer.lr: it may be better beyond"
    )


def test_what_diverges_unfinished_points_and_too_little(judge_one):
    gone = run(judge_one, lambda g, p, s: None if p[N] == 8 else family(0.01)(g, p, s), {"below": 0})
    assert (gone.verdict, gone.estimate) == ("inconclusive", None)
    assert gone.reason.startswith("no point of grid 'nstep' with optimizer.inner_steps=8 has a value")
    beyond = run(judge_one, lambda g, p, s: None if p[LR] == 1 else family(0.01)(g, p, s), {"below": 0})
    assert beyond.verdict == "supported"
    unfinished = run(judge_one, family(0.01), {"below": 0}, unseen=[("nstep", 2)])
    assert unfinished.reason.startswith("grid 'nstep' is unfinished at optimizer.inner_steps=2")
    two = {"nstep": {**GRIDS["nstep"], N: [1, 2]}}
    assert (
        "2 values of optimizer.inner_steps, 3 are needed"
        in run(judge_one, family(1), {"below": 0}, two).reason
    )
    assert run(judge_one, family(0.01), {"below": 0}, num_seeds=2).estimate is None
