"""Families of curves that are one curve on a known axis; the spread against a plain double loop."""

import itertools
import math

import numpy as np
import pytest

LR, N = "optimizer.lr", "optimizer.inner_steps"
POWERS, STEPS = range(-9, 0), (1, 2, 4)
GRIDS = {"nstep": {N: list(STEPS), LR: [2.0**k for k in POWERS]}}
JITTER = np.random.default_rng(3).normal(0, 0.004, (9, 3, 5))


def family(shift, noise=1.0):
    """The curve of n peaks at log2 lr = −4 − shift·log2 n."""

    def value(grid, point, seed):
        x, n = math.log2(point[LR]), point[N]
        jitter = noise * JITTER[POWERS.index(round(x)), STEPS.index(n), seed]
        return 0.9 - 0.01 * (x + 4 + shift * math.log2(n)) ** 2 + jitter

    return value


def run(judge_one, value, grids=GRIDS, expect=None, **options):
    axes = {"curves": N, "axis": LR, "rival": f"{LR} * {N}"}
    claim = {"kind": "collapse", "grid": "nstep", **axes, "expect": expect or {"below": 1}}
    return judge_one(claim, grids, value, **options)


def spread(value, shift_of):
    """Root mean square difference of all pairs, interpolated on 33 positions of their shared range."""
    squares = []
    for n, m in itertools.combinations(STEPS, 2):
        xs = {k: np.array([x + shift_of(k) for x in POWERS]) for k in (n, m)}
        ys = {
            k: [np.mean([value("", {LR: 2.0**x, N: k}, seed) for seed in range(5)]) for x in POWERS]
            for k in (n, m)
        }
        grid = np.linspace(max(xs[n][0], xs[m][0]), min(xs[n][-1], xs[m][-1]), 33)
        squares.append((np.interp(grid, xs[n], ys[n]) - np.interp(grid, xs[m], ys[m])) ** 2)
    return math.sqrt(np.mean(squares))


@pytest.mark.parametrize(("shift", "verdict"), [(0, "supported"), (1, "not supported")])
def test_against_the_bare_learning_rate_or_against_the_product(judge_one, shift, verdict):
    value = family(shift)
    result = run(judge_one, value)
    assert result.verdict == verdict
    assert result.estimate == pytest.approx(spread(value, lambda n: 0) / spread(value, math.log2))
    assert result.interval[0] <= result.estimate <= result.interval[1]
    assert result.num_seeds == 5


def test_noise_alone_is_inconclusive(judge_one):
    result = run(
        judge_one, lambda grid, point, seed: family(0)(grid, point, seed) - family(0, 0.0)(grid, point, seed)
    )
    assert result.verdict == "inconclusive"
    assert result.interval[0] < 1 < result.interval[1]


def test_perfect_collapse_is_zero(judge_one):
    assert run(judge_one, family(0, noise=0.0)).interval == pytest.approx((0, 0))


def test_diverged_points_shorten_the_shared_range(judge_one):
    exact = family(0, noise=0.0)
    result = run(
        judge_one, lambda grid, point, seed: None if point[LR] * point[N] > 1 else exact(grid, point, seed)
    )
    assert result.verdict == "supported"
    assert "grid 'nstep': 5 × diverged, at optimizer.inner_steps=4, optimizer.lr=2**-1" in result.reason


def test_unfinished(judge_one):
    result = run(judge_one, family(0), unseen=[("nstep", 4)])
    assert result.verdict == "inconclusive"
    assert result.reason.startswith("grid 'nstep' is unfinished at optimizer.inner_steps=4")


def test_curves_that_share_no_range_are_not_compared(judge_one):
    grids = {"nstep": {N: [1, 64], LR: [2.0**-3, 2.0**-2, 2.0**-1]}}
    result = run(judge_one, lambda grid, point, seed: 0.5, grids=grids)
    assert result.verdict == "inconclusive"
    assert result.reason.startswith("no two curves share a range on both axes")
    assert "curves 1 and 64 share no range and are not compared" in result.reason


B = "optimizer.batch_size"
NUM, RHO = 8192, 2.0**-7
GAMMA = f"(({NUM} - {B}) / ({NUM} - 1))"
SATURATING = f"1 / ({GAMMA} / {B} * (1 / {RHO}) + 1 - {GAMMA} / {B})"  # ρ_b of lssr2022, eq. 12
HEAT_MAP = {"map": {B: [2**k for k in range(4, 12)], LR: [2.0**k for k in range(-9, 0)]}}


def rho_b(b):
    """From its definition: tr S_n over tr S_b = tr S_n + γ/b·(tr S_1 − tr S_n), with tr S_n = ρ tr S_1."""
    return RHO / (RHO + (NUM - b) / (NUM - 1) / b * (1 - RHO))


@pytest.mark.parametrize(
    ("rule", "rival", "verdict"),
    [
        (rho_b, f"{B} / {LR}", "supported"),
        (rho_b, f"{B}**0.5 / {LR}", "supported"),
        (lambda b: b, f"{B} / {LR}", "not supported"),
        (lambda b: b**0.5, f"{B}**0.5 / {LR}", "not supported"),
        (lambda b: 1, f"{B} / {LR}", "supported"),  # both wrong: the saturating rule is the less so
    ],
)
def test_a_heat_map_depends_on_one_combination_of_its_axes(judge_one, rule, rival, verdict):
    """Accuracy is a function of rule(b)/η; ρ_b/η is an expression of both axes, held against its rivals."""

    def value(grid, point, seed):
        jitter = 0.002 * math.sin(97 * seed + 31 * point[B] + 1013 * point[LR])
        return 0.9 - 0.01 * (math.log2(rule(point[B]) / point[LR]) - math.log2(rule(64)) - 5) ** 2 + jitter

    claim = {"kind": "collapse", "grid": "map", "curves": B, "axis": f"{SATURATING} / {LR}", "rival": rival}
    result = judge_one({**claim, "expect": {"below": 1}}, HEAT_MAP, value)
    assert result.verdict == verdict
