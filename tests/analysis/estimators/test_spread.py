"""Tuned values whose spread is put in."""

import math

import numpy as np
import pytest

LR, N = "optimizer.lr", "optimizer.inner_steps"
STEPS = (1, 2, 4)
GRIDS = {"nstep": {N: list(STEPS), LR: [2.0**k for k in range(-6, 1)]}}
NOISE = np.random.default_rng(2).normal(0, 0.002, (3, 7, 6))  # n, lr, seed


def family(heights):
    """Curves of one height at their own optimum, which moves with n."""

    def value(grid, point, seed):
        n, x = STEPS.index(point[N]), math.log2(point[LR])
        return heights[n] - 0.03 * (x + 4 - n) ** 2 + NOISE[n, round(x) + 6, seed]

    return value


def run(judge_one, value, expect, where=None, **options):
    claim = {"kind": "spread", "grid": "nstep", "along": N, "tuned": [LR], "where": where or {}}
    return judge_one({**claim, "expect": expect}, GRIDS, value, num_seeds=6, **options)


@pytest.mark.parametrize(
    ("heights", "bound", "verdict"),
    [
        ((0.9, 0.9, 0.9), 0.01, "supported"),
        ((0.9, 0.88, 0.85), 0.01, "not supported"),
        ((0.9, 0.9, 0.89), 0.0105, "inconclusive"),
    ],
)
def test_all_n_are_alike_at_their_optimum(judge_one, heights, bound, verdict):
    result = run(judge_one, family(heights), {"below": bound})
    assert result.verdict == verdict
    means = [heights[n] + NOISE[n, n + 2].mean() for n in range(3)]
    assert result.estimate == pytest.approx(np.ptp(means))
    assert result.num_seeds == 6


def test_where_leaves_values_out(judge_one):
    result = run(judge_one, family((0.9, 0.9, 0.8)), {"below": 0.01}, where={N: {"at_most": 2}})
    assert result.verdict == "supported"


def test_a_seed_is_read_where_the_others_are_best(judge_one):
    """One lucky seed at a poor learning rate would choose its own point, and widen the spread."""

    def value(grid, point, seed):
        lucky = point[N] == 1 and seed == 0 and point[LR] == 0.5
        return 1.5 if lucky else family((0.9, 0.9, 0.9))(grid, point, seed)

    assert run(judge_one, value, {"below": 0.01}).verdict == "supported"


def test_edge_and_seeds(judge_one):
    at_edge = run(judge_one, lambda g, p, s: -p[LR] if p[N] == 1 else 0.9 + p[N] * p[LR] * 0, {"below": 9})
    assert at_edge.verdict == "inconclusive"
    assert "the low end of optimizer.lr: it may be better beyond" in at_edge.reason
    diverged = run(judge_one, lambda g, p, s: None if s else 0.9, {"below": 9})
    assert (diverged.verdict, diverged.estimate) == ("inconclusive", None)
