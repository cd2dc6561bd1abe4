"""Results at a known distance from what is predicted."""

import numpy as np
import pytest

LR = "optimizer.lr"
GRIDS = {"plain": {LR: [2.0**k for k in range(-5, 0)]}}
NOISE = np.random.default_rng(4).normal(0, 0.01, (5, 5))


def off_by(amount, factor=1.0):
    """Above and below what is predicted in turn."""

    def value(grid, point, seed):
        index = GRIDS["plain"][LR].index(point[LR])
        return factor * 3 * point[LR] + amount * (-1) ** index + NOISE[index, seed]

    return value


def run(judge_one, value, expect, **changes):
    claim = {"kind": "agreement", "grid": "plain", "predicted": f"3 * {LR}", "expect": expect}
    options = {key: changes.pop(key) for key in ("num_seeds", "unseen") if key in changes}
    return judge_one({**claim, **changes}, GRIDS, value, **options)


@pytest.mark.parametrize(
    ("amount", "bound", "verdict"),
    [(0.0, 0.05, "supported"), (0.2, 0.05, "not supported"), (0.2, 0.2, "inconclusive")],
)
def test_mean_distance(judge_one, amount, bound, verdict):
    result = run(judge_one, off_by(amount), {"below": bound})
    signed = amount * (-1.0) ** np.arange(5) + NOISE.mean(axis=1)
    assert result.verdict == verdict
    assert result.estimate == pytest.approx(np.abs(signed).mean())


def test_as_a_factor(judge_one):
    result = run(
        judge_one,
        lambda *place: off_by(0.0, 2.0)(*place),
        {"within": (0.9, 1.1)},
        scale="log2",
        where={LR: {"at_least": 0.25}},
    )
    assert result.verdict == "supported"
    assert result.estimate == pytest.approx(1, abs=0.02)  # the noise of a mean is 0.0045 on 1.5
    negative = run(judge_one, lambda *place: -1.0, {"below": 1}, scale="log2")
    assert negative.reason.startswith("a measured or predicted value has no log2")


def test_over_a_range(judge_one):
    def value(grid, point, seed):
        return off_by(1.0 if point[LR] > 0.2 else 0.0)(grid, point, seed)

    assert run(judge_one, value, {"below": 0.05}).verdict == "not supported"
    assert run(judge_one, value, {"below": 0.05}, where={LR: {"at_most": 0.125}}).verdict == "supported"


def test_diverged_missing_and_few(judge_one):
    diverged = run(judge_one, lambda g, p, s: None if p[LR] == 0.5 else off_by(0)(g, p, s), {"below": 0.05})
    assert diverged.verdict == "supported"
    assert "1 of 5 points have no value and are left out" in diverged.reason
    nothing = run(judge_one, lambda *place: None, {"below": 0.05})
    assert (nothing.verdict, nothing.estimate) == ("inconclusive", None)
    missing = run(judge_one, off_by(0), {"below": 0.05}, unseen=[("plain", 0.25)])
    assert missing.reason.startswith("grid 'plain' is unfinished at optimizer.lr=2**-2")
    assert run(judge_one, off_by(0), {"below": 0.05}, num_seeds=2).estimate is None
