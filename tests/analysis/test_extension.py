"""Which curves are open, and which points they lack."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from sgdlab.analysis.extension import added_points, assess, refine
from sgdlab.analysis.optimum import Edge, edges_touched
from sgdlab.analysis.points import arrange
from sgdlab.analysis.tuning_problems import tuning_problems
from sgdlab.sweeps.extending import Extending
from sgdlab.sweeps.extension import extend_sweep

LR, FINAL, BATCH, MOMENTUM = "optimizer.lr", "schedule.final_lr", "optimizer.batch_size", "optimizer.momentum"
NOISE = 0.01
ONE_AXIS = {"kind": "curves", "mark_optimum": True}


def noisy(mean, seed):
    """Give three seeds the deviations of exactly NOISE."""
    return None if mean is None else mean + NOISE * (seed - 1)


def peak_at(best, width=1.0, diverges_above=math.inf):
    def value(grid, point, seed):
        x = math.log2(point[LR])
        return None if x > diverges_above else noisy(0.9 - 0.02 * abs(x - best) / width, seed)

    return value


def allow(*_):
    return None


@pytest.fixture
def assess_all(make_runs):
    """Assess every tuning problem of a sweep, given the value of each run."""

    def run(sweep, value, added=(), extending=None, refusal=allow, change=lambda run: run):
        extended = extend_sweep(sweep, added)
        runs = [change(run) for run in make_runs(extended.sweep, value)]
        problems = tuning_problems(extended.sweep, arrange(extended.sweep, runs))
        chosen = extending or sweep.extend
        return [assess(one, sweep.protocol, chosen, extended.round_of, refusal) for one in problems]

    return run


def rates(low, high):
    return {"sgd": {LR: [2.0**e for e in range(low, high + 1)]}}


def proposed(assessment):
    return [(one.axis, one.side, [math.log2(v) for v in one.values]) for one in assessment.additions]


CASES = {
    "interior": (peak_at(-3), "interior", []),
    "at the high end": (peak_at(0), "open", [(LR, "high", [-1])]),
    "at the low end": (peak_at(-9), "open", [(LR, "low", [-7])]),
    "its error bar ends before the end": (peak_at(-3, width=1.5), "interior", []),
    "its error bar alone is at the end": (peak_at(-3, width=4), "open", [(LR, "high", [-1])]),
    "flat": (peak_at(-4, width=99), "open", [(LR, "low", [-7]), (LR, "high", [-1])]),
    "next to divergence": (peak_at(-3, diverges_above=-3), "interior", []),
    "rising up to divergence": (peak_at(0, diverges_above=-4), "interior", []),
    "all diverged": (peak_at(0, diverges_above=-7), "open", [(LR, "low", [-7])]),
}


@pytest.mark.parametrize(("value", "standing", "additions"), CASES.values(), ids=CASES)
def test_a_curve_is_open_where_its_error_bar_is_the_last_that_was_asked_for(
    make_sweep, assess_all, value, standing, additions
):
    (found,) = assess_all(make_sweep(rates(-6, -2), **ONE_AXIS), value)
    assert (found.standing, proposed(found)) == (standing, additions)


def test_next_to_divergence_is_said(make_sweep, assess_all):
    (found,) = assess_all(make_sweep(rates(-6, -2), **ONE_AXIS), peak_at(0, diverges_above=-3))
    assert found.why == "interior, next to divergence"


def test_a_partly_diverged_point_without_a_value_is_no_part_of_the_bar(make_sweep, assess_all):
    """Two of three runs are needed, and one alone is finite at the end: divergence bounds the curve."""

    def value(grid, point, seed):
        x = math.log2(point[LR])
        return None if x == -2 and seed else noisy(0.9 + 0.02 * x, seed)

    (found,) = assess_all(make_sweep(rates(-6, -2), keep=2, **ONE_AXIS), value)
    assert (found.standing, found.why) == ("interior", "interior, next to divergence")


def test_zero_is_no_edge(make_sweep, assess_all):
    grids = {"penalty": {"regularizer.strength": [0, 2**-5, 2**-4, 2**-3]}}
    (found,) = assess_all(
        make_sweep(grids, **ONE_AXIS), lambda grid, point, seed: noisy(-point["regularizer.strength"], seed)
    )
    assert found.standing == "interior"


@pytest.mark.parametrize(("state", "why"), [("missing", "`sgdlab run`"), ("failed", "`sgdlab retry`")])
def test_a_curve_with_runs_without_an_outcome_is_not_judged(make_sweep, assess_all, state, why):
    def unfinished(run):
        is_meant = run.point[LR] == 2**-5
        return replace(run, state=state, metrics={}) if is_meant else run

    (found,) = assess_all(make_sweep(rates(-6, -2), **ONE_AXIS), peak_at(0), change=unfinished)
    assert (found.standing, found.additions) == ("unfinished", ())
    assert why in found.why


STOPS = {
    "limits": (Extending(limits={LR: (2**-9, 2**-2)}), allow, f"{LR}=2**-1 is beyond extend.limits"),
    "a refusal": (Extending(), lambda *_: "momentum must be below 1", "momentum must be below 1"),
}


@pytest.mark.parametrize(("extending", "refusal", "why"), STOPS.values(), ids=STOPS)
def test_what_may_not_be_trained_stops_a_curve(make_sweep, assess_all, extending, refusal, why):
    sweep = make_sweep(rates(-6, -2), **ONE_AXIS)
    (found,) = assess_all(sweep, peak_at(0), extending=extending, refusal=refusal)
    assert (found.standing, found.additions, found.why) == ("stopped", (), why)


def test_rounds_are_counted_over_all_commands(make_sweep, assess_all):
    sweep, extending, added = make_sweep(rates(-6, -2), **ONE_AXIS), Extending(rounds=2, points=2), []
    for number in (1, 2):
        (found,) = assess_all(sweep, peak_at(9), added, extending)
        assert proposed(found) == [(LR, "high", [-3 + 2 * number, -2 + 2 * number])]
        rounds = extend_sweep(sweep, added).round_of
        added += added_points(found.problem, found.additions, rounds)
        assert [point.round for point in added] == [one for one in range(1, number + 1) for _ in range(2)]
    (found,) = assess_all(sweep, peak_at(9), added, extending)
    assert (found.standing, found.round) == ("stopped", 2)
    assert found.why == "still at the edge after 2 rounds, the most allowed"
    (found,) = assess_all(sweep, peak_at(9), added, Extending(rounds=3))
    assert proposed(found) == [(LR, "high", [3])]


def test_only_the_curves_that_need_them_get_points(make_sweep, assess_all):
    axes = {"sgd": {BATCH: [8, 64], LR: [2.0**e for e in range(-6, -1)]}}

    def value(grid, point, seed):
        return peak_at(-4 + math.log2(point[BATCH] / 8))(grid, point, seed)

    small, large = assess_all(make_sweep(axes), value)
    assert (small.standing, large.standing) == ("interior", "open")
    assert [dict(point) for point in large.additions[0].points] == [{BATCH: 64, LR: 0.5}]


PLANE = {"sgd": {LR: [0.25, 0.5, 1.0], FINAL: [0.01, 0.02, 0.04]}}
TUNED = {"kind": "optima", "x": "optimizer.batch_size", "tuned": [LR, FINAL]}


def hill(lr, final, sharpness=0.05):
    def value(grid, point, seed):
        d = math.log2(point[LR] / lr) ** 2 + math.log2(point[FINAL] / final) ** 2
        return noisy(0.9 - sharpness * d, seed)

    return value


def plane(make_sweep, axes=PLANE["sgd"], **changes):
    curves = [{"grid": "sgd", "metric": "test_accuracy.best"}]
    return make_sweep({"sgd": {BATCH: [8], **axes}}, **{**TUNED, "curves": curves, **changes})


def test_two_tuned_axes_are_extended_along_each_that_is_touched(make_sweep, assess_all):
    sweep = plane(make_sweep)
    (found,) = assess_all(sweep, hill(4.0, 0.02))
    assert [(one.axis, one.side) for one in found.additions] == [(LR, "high")]
    assert [dict(p) for p in found.additions[0].points] == [{BATCH: 8, LR: 2.0, FINAL: 0.02}]
    (found,) = assess_all(sweep, hill(0.5, 0.001))
    assert [(one.axis, one.side) for one in found.additions] == [(FINAL, "low")]
    (found,) = assess_all(sweep, hill(4.0, 0.16))
    assert [(one.axis, one.side, one.values) for one in found.additions] == [
        (LR, "high", (2.0,)),
        (FINAL, "high", (0.08,)),
    ]
    (found,) = assess_all(sweep, hill(0.5, 0.02))
    assert found.standing == "interior"


def test_an_optimum_in_the_plane_is_followed_around_corners(make_sweep, assess_all):
    """From the corner of the grid along both axes, until every neighbour of the error bar was asked for."""
    sweep, added = plane(make_sweep), []
    for _ in range(20):
        (found,) = assess_all(sweep, hill(4.0, 0.16), added)
        if found.standing != "open":
            break
        added += added_points(found.problem, found.additions, extend_sweep(sweep, added).round_of)
    assert found.standing == "interior"
    assert [dict(one.point) for one in found.optimum.best] == [{BATCH: 8, LR: 4.0, FINAL: 0.16}]
    assert len(added) < 6 * 7 - 9  # the product that holds the same neighbours


def test_edges_of_a_ragged_grid_are_where_nothing_was_asked_for():
    grid = [{"x": x, "y": y} for x in (1, 2) for y in (1, 2)] + [{"x": 3, "y": 2}]
    assert edges_touched([{"x": 2, "y": 1}], grid) == (Edge("x", "high"), Edge("y", "low"))
    assert edges_touched([{"x": 2, "y": 2}], grid) == (Edge("y", "high"),)
    assert edges_touched([{"x": 3, "y": 2}], grid) == (Edge("x", "high"), Edge("y", "low"), Edge("y", "high"))


RATIO = {
    "kind": "optimum_ratio",
    "says": "The optimum of a large batch is larger.",
    "of": {"grid": "sgd", "metric": "test_accuracy.best", "where": {BATCH: "last"}},
    "over": {"grid": "sgd", "metric": "test_accuracy.best", "where": {BATCH: "first"}},
    "expect": {"above": 0},
}
BATCHES = {"sgd": {BATCH: [8, 64], LR: [2.0**e for e in range(-6, -1)]}}


def test_an_optimum_that_the_drawing_and_claims_ask_for_is_one(make_sweep, assess_all):
    sweep = make_sweep(BATCHES, claims=[RATIO])
    found = assess_all(sweep, peak_at(-4))
    assert [one.problem.asked_by for one in found] == [("drawing", "claims[0]")] * 2
    assert [dict(one.problem.at) for one in found] == [{BATCH: 8}, {BATCH: 64}]


def test_a_claim_alone_asks_for_its_optimum_and_no_other(make_sweep, assess_all):
    sweep = make_sweep(
        BATCHES, claims=[RATIO], kind="curves", x=LR,
        curves=[{"grid": "sgd", "metric": "test_accuracy.best", "split_by": BATCH}],
    )  # fmt: skip
    assert [one.problem.asked_by for one in assess_all(sweep, peak_at(-4))] == [("claims[0]",)] * 2


def test_a_band_that_a_claim_sets_confines_its_extension(make_sweep, assess_all):
    axes = {"sgd": {LR: [2.0**e for e in range(-6, -1)]}}
    gain = {
        "kind": "gain",
        "says": "Below 2**-3 a larger rate helps.",
        "metric": "test_accuracy.best",
        "start": {"grid": "sgd", "at": "first"},
        "to": {"grid": "sgd", "at": "optimum", "where": {LR: {"at_most": 2**-3}}},
        "expect": {"above": 0},
    }
    (found,) = assess_all(make_sweep(axes, claims=[gain]), peak_at(-1))
    assert (found.standing, found.why) == ("stopped", f"claims[0] confines {LR}")


def test_refinement_halves_the_way_to_both_neighbours(make_sweep, make_runs):
    sweep = make_sweep(rates(-6, -2), **ONE_AXIS)
    runs = make_runs(sweep, peak_at(-4))
    (problem,) = tuning_problems(sweep, arrange(sweep, runs))
    (found,) = refine(problem, sweep.protocol, sweep.extend, {}, allow)
    assert (found.axis, found.side) == (LR, "between")
    assert [math.log2(value) for value in found.values] == pytest.approx([-4.5, -3.5])
    assert [point.reason for point in added_points(problem, [found], {})] == ["between"] * 2
