"""Two axes tuned together, as the initial and the final rate of smith2020's figure 3: known optima."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from sgdlab.analysis.claims import judge
from sgdlab.analysis.extension import added_points, assess
from sgdlab.analysis.observations import Observation
from sgdlab.analysis.optimum import find_optimum
from sgdlab.analysis.points import arrange
from sgdlab.analysis.protocol import summarize_curve
from sgdlab.analysis.tuning import bar_of
from sgdlab.analysis.tuning_problems import tuning_problems
from sgdlab.sweeps.extension import extend_sweep
from sgdlab.sweeps.places import places
from sgdlab.sweeps.spec import Sweep

INITIAL, FINAL, METRIC = "optimizer.lr", "schedule.final_lr", "test_accuracy.final"
WIDE = range(-10, 5)  # log2 of either rate
Surface = Callable[[int, int], float | None]


def bowl(initial: int, final: int) -> float | None:
    """Best at initial rate 2**-1 and final rate 2**-5."""
    return 0.9 - 0.01 * (initial + 1) ** 2 - 0.01 * (final + 5) ** 2


def ridge(initial: int, final: int) -> float | None:
    """Fall slowly along initial · final = const and fast across it; best at 2**-1 and 2**-5."""
    along, across = initial - final - 4, initial + final + 6
    return 0.9 - 0.003 * along**2 - 0.012 * across**2


def cliff(initial: int, final: int) -> float | None:
    """Rise up to where runs diverge, along the initial rate."""
    return None if initial > -1 else 0.9 - 0.02 * abs(initial + 1) - 0.01 * (final + 5) ** 2


def constant_at_small_final_rates(initial: int, final: int) -> float | None:
    """Don't depend on the final rate below 2**-7: the error bar has no end there."""
    return 0.9 - 0.01 * (initial + 1) ** 2 - 0.01 * max(0, final + 7) ** 2


SURFACES = {"bowl": bowl, "cliff": cliff}


def make_sweep(initial, final, claims=(), **extend) -> Sweep:
    axes = {INITIAL: [2.0**k for k in initial], FINAL: [2.0**k for k in final]}
    curves = [{"grid": "both", "metric": METRIC, "optimum": axis} for axis in axes]
    return Sweep.model_validate(
        {
            "name": "two", "paper": "none", "figure": "none", "title": "Two rates", "scale": "laptop",
            "protocol": {"num_seeds": 7, "keep": 5, "rank_by": METRIC},
            "panels": {"main": {"title": "", "grids": {"both": {
                "label": "tuned", "axes": {"budget.num_epochs": [4], **axes}}}}},
            "drawing": {
                "kind": "optima", "x": "budget.num_epochs", "x_label": "epochs", "y_label": "rate",
                "tuned": [INITIAL, FINAL], "curves": curves,
            },
            "claims": list(claims), "extend": {"rounds": 30, **extend},
        }
    )  # fmt: skip


def observe(sweep: Sweep, surface: Surface, noise: float) -> list[Observation]:
    """Return the runs, whose noise depends on nothing but point and seed: all grids see the same."""
    runs = []
    for place in places(sweep):
        at = [round(math.log2(place.point[axis])) for axis in (INITIAL, FINAL)]
        mean = surface(*at)
        own = np.random.default_rng([at[0] + 100, at[1] + 100, place.seed]).normal()
        state, metrics = ("diverged", {}) if mean is None else ("done", {METRIC: mean + noise * own})
        key = f"{at}-{place.seed}"
        runs.append(Observation(place.panel, place.grid, place.point, place.seed, key, state, metrics))
    return runs


def assess_once(sweep: Sweep, added, surface: Surface, noise: float):
    extended = extend_sweep(sweep, added)
    (problem,) = tuning_problems(
        extended.sweep, arrange(extended.sweep, observe(extended.sweep, surface, noise))
    )
    return extended, assess(problem, sweep.protocol, sweep.extend, extended.round_of, lambda *_: None)


def follow(sweep: Sweep, surface: Surface, noise: float):
    """Extend until nothing is proposed; check of each proposal that it is new and next to the error bar."""
    added = []
    while True:
        extended, one = assess_once(sweep, added, surface, noise)
        proposed = added_points(one.problem, one.additions, extended.round_of)
        if not proposed:
            return extended.sweep, one, max((point.round for point in added), default=0)
        known = [(point[INITIAL], point[FINAL]) for point in one.problem.grid_runs.points]
        asking = (
            one.optimum.bar if one.optimum else summarize_curve(one.problem.grid_runs, sweep.protocol, METRIC)
        )
        bar = [(summary.point[INITIAL], summary.point[FINAL]) for summary in asking]
        for point in proposed:
            initial, final = point.point[INITIAL], point.point[FINAL]
            assert (initial, final) not in known
            beside = {(initial * 2, final), (initial / 2, final), (initial, final * 2), (initial, final / 2)}
            assert beside & set(bar)
        added += proposed


def optimum_on(sweep: Sweep, surface: Surface, noise: float):
    (problem,) = tuning_problems(sweep, arrange(sweep, observe(sweep, surface, noise)))
    optimum = find_optimum(summarize_curve(problem.grid_runs, sweep.protocol, METRIC))
    return optimum, {axis: bar_of(optimum, problem.grid_runs, axis) for axis in (INITIAL, FINAL)}


@pytest.mark.parametrize("name", SURFACES)
@pytest.mark.parametrize("noise", [0.001, 0.004])
@pytest.mark.parametrize("corner", [(-6, -9), (0, -4), (-6, 0), (0, -9)])
def test_it_ends_at_the_optimum_and_error_bar_of_the_wide_grid(name, noise, corner):
    surface = SURFACES[name]
    initial, final = (range(start, start + 3) for start in corner)
    extended, last, num_rounds = follow(make_sweep(initial, final), surface, noise)
    assert last.standing == "interior"
    assert num_rounds <= 9
    wide = make_sweep(WIDE, WIDE)
    optimum, bars = optimum_on(wide, surface, noise)
    (best,) = last.optimum.best
    assert dict(best.point) == dict(optimum.best[0].point)
    assert optimum_on(extended, surface, noise)[1] == bars
    num_runs, num_wide = (len(observe(sweep, surface, noise)) for sweep in (extended, wide))
    assert num_runs < 0.45 * num_wide


@pytest.mark.parametrize("corner", [(-6, -9), (0, -4), (-6, 0), (0, -9)])
def test_on_an_oblique_ridge_it_ends_where_it_falls_along_both_axes(corner):
    """Within a diagonal step of the top, one along either axis costs more than it gains; no sooner."""
    initial, final = (range(start, start + 3) for start in corner)
    _, last, _ = follow(make_sweep(initial, final), ridge, 0.0005)
    assert last.standing == "interior"
    (best,) = last.optimum.best
    found = [round(math.log2(best.point[axis])) for axis in (INITIAL, FINAL)]
    assert max(abs(found[0] + 1), abs(found[1] + 5)) <= 1


def test_only_the_side_that_is_touched_grows():
    """Best at the upper end of the initial rate, in the middle of the final one."""
    _, one = assess_once(make_sweep(range(-4, -1), range(-6, -3)), [], bowl, 0.001)
    (addition,) = one.additions
    assert (addition.axis, addition.side, addition.values) == (INITIAL, "high", (2.0**-1,))
    assert [dict(point) for point in addition.points] == [
        {"budget.num_epochs": 4, INITIAL: 2.0**-1, FINAL: 2.0**-5}
    ]


def test_a_corner_grows_along_both_axes():
    _, one = assess_once(make_sweep(range(-5, -2), range(-9, -6)), [], bowl, 0.001)
    assert [(a.axis, a.side, a.values) for a in one.additions] == [
        (INITIAL, "high", (2.0**-2,)),
        (FINAL, "high", (2.0**-6,)),
    ]


def test_a_final_rate_without_effect_is_followed_to_its_limit_and_no_further():
    sweep = make_sweep(range(-2, 1), range(-9, -5), limits={FINAL: [2.0**-12, 1]})
    _, last, _ = follow(sweep, constant_at_small_final_rates, 0.001)
    assert last.standing == "stopped"
    assert f"{FINAL}=2**-13 is beyond extend.limits" in last.why
    assert min(point[FINAL] for point in last.problem.grid_runs.points) == 2.0**-12


def test_claims_say_the_same_as_on_the_wide_grid():
    """Of the initial rate over the final one, both optima of one surface: a factor of 2**4."""
    ratio = {
        "kind": "optimum_ratio",
        "says": "The initial rate is larger.",
        "of": {"grid": "both", "metric": METRIC, "optimum": INITIAL},
        "over": {"grid": "both", "metric": METRIC, "optimum": FINAL},
        "expect": {"above": 3},
    }
    extended, _, _ = follow(make_sweep(range(-6, -3), range(-9, -6), [ratio]), bowl, 0.004)
    wide = make_sweep(WIDE, WIDE, [ratio])
    (narrow_verdict,), (wide_verdict,) = (judge(s, observe(s, bowl, 0.004)) for s in (extended, wide))
    assert narrow_verdict.verdict == wide_verdict.verdict == "supported"
    assert narrow_verdict.estimate == pytest.approx(wide_verdict.estimate, abs=1e-9)
    assert narrow_verdict.interval == pytest.approx(wide_verdict.interval, abs=1e-9)
