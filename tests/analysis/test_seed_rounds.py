"""Seeds in rounds: which points get them, when it ends, and what is said of it. Nothing is trained."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest

from sgdlab.analysis.claims import judge
from sgdlab.analysis.figure_series import figure_series
from sgdlab.analysis.points import arrange
from sgdlab.analysis.protocol import summarize_point
from sgdlab.analysis.seed_rounds import describe_rounds, spare
from sgdlab.analysis.tables import record_of_row, rows

LR, ACCURACY = "optimizer.lr", "test_accuracy.best"
RATES = [2.0**k for k in range(5)]
CURVES = [{"grid": "one", "metric": ACCURACY}, {"grid": "other", "metric": ACCURACY}]


def gain(grid, threshold=0.0, **more):
    """Claim that the last point of a grid is better than its first by more than a threshold."""
    return {
        "kind": "gain",
        "says": "It rises.",
        "metric": ACCURACY,
        "start": {"grid": grid, "at": "first"},
        "to": {"grid": grid, "at": "last"},
        "expect": {"above": threshold},
        **more,
    }


@pytest.fixture
def in_rounds(make_sweep):
    """Return a function that builds a sweep of two grids with these claims and 8 seeds, 3 at first."""

    def build(*claims, **protocol):
        sweep = make_sweep(
            {"one": {LR: RATES}, "other": {LR: RATES}},
            8,
            3,
            claims,
            x=LR,
            x_label="x",
            y_label="y",
            curves=CURVES,
        )
        rule = {"seeds": "claims", **protocol}
        return sweep.model_copy(update={"protocol": sweep.protocol.model_copy(update=rule)})

    return build


def value(grid, point, seed):
    """Rise by 0.1 from end to end of grid one, plainly; on the other by 0.005, with a noise of 0.03."""
    place = math.log2(point[LR]) / 4
    noise = 0.03 * math.sin(7 * seed + 3 * place)
    return 0.8 + 0.1 * place + 0.001 * math.sin(seed) if grid == "one" else 0.8 + 0.005 * place + noise


def seeds_at(sweep, runs):
    """Return (grid, log2 rate) → the seeds that are asked for."""
    asked = {}
    for run in spare(sweep, runs):
        if run.state != "spared":
            asked.setdefault((run.grid, math.log2(run.point[LR])), []).append(run.seed)
    return asked


def until(runs, num_seeds):
    """Take the outcomes of later seeds away."""
    return [run if run.seed < num_seeds else replace(run, state="missing", metrics={}) for run in runs]


def test_only_the_points_of_an_undecided_claim_get_more_seeds(in_rounds, make_runs):
    sweep = in_rounds(gain("one"), gain("other"))
    asked = seeds_at(sweep, make_runs(sweep, value))
    assert {place: seeds for place, seeds in asked.items() if len(seeds) > 3} == {
        ("other", 0.0): list(range(8)),
        ("other", 4.0): list(range(8)),
    }
    assert all(seeds == [0, 1, 2] for place, seeds in asked.items() if place[0] == "one")
    decided, undecided = judge(sweep, make_runs(sweep, value))
    assert (decided.verdict, decided.num_seeds) == ("supported", 3)
    assert "stopped with 3 of 8 seeds at its 2 points" in decided.reason
    assert "look 1 of at most 6, with 3 of 8 seeds: a 99.5 % interval" in decided.rule
    assert (undecided.verdict, undecided.num_seeds) == ("inconclusive", 8)
    assert "look 6 of at most 6, with 8 of 8 seeds: a 97.5 % interval" in undecided.rule


def test_one_round_is_asked_for_at_a_time_and_what_was_asked_for_stays(in_rounds, make_runs):
    sweep = in_rounds(gain("other"))
    runs = make_runs(sweep, value)
    asked = [seeds_at(sweep, until(runs, num_seeds)) for num_seeds in range(9)]
    ends = [("other", 0.0), ("other", 4.0)]
    assert [len(one[ends[0]]) for one in asked] == [3, 3, 3, 4, 5, 6, 7, 8, 8]
    for earlier, later in itertools.pairwise(asked):
        assert all(set(seeds) <= set(later[place]) for place, seeds in earlier.items())
    assert {len(one[place]) for one in asked for place in one if place not in ends} == {3}


def test_a_round_that_lacks_runs_is_waited_for_and_said(in_rounds, make_runs):
    sweep = in_rounds(gain("other"))
    runs = [
        replace(run, state="missing", metrics={}) if (run.seed, run.point[LR]) == (4, 1.0) else run
        for run in make_runs(sweep, value)
    ]
    (verdict,) = judge(sweep, spare(sweep, runs))
    assert (verdict.verdict, verdict.num_seeds) == ("inconclusive", 4)
    assert verdict.reason.endswith("1 run of the first 5 seeds of its 2 points have no outcome yet")


def test_what_other_sweeps_have_trained_is_not_looked_at(in_rounds, make_runs):
    """Runs beyond the stop are there, and would change value and verdict; both are as if they weren't."""
    sweep = in_rounds(gain("one"))
    runs = make_runs(sweep, lambda grid, point, seed: value(grid, point, seed) if seed < 3 else 0.1 * seed)
    short = [record_of_row(row) for row in rows(sweep, spare(sweep, until(runs, 3)))]
    assert [record_of_row(row) for row in rows(sweep, spare(sweep, runs))] == short
    assert judge(sweep, spare(sweep, runs)) == judge(sweep, spare(sweep, until(runs, 3)))
    assert spare(sweep, spare(sweep, runs)) == spare(sweep, runs)


def test_a_value_is_the_mean_of_all_seeds_and_says_so(in_rounds, make_runs):
    sweep = in_rounds(gain("other"))
    observations = spare(sweep, make_runs(sweep, value))
    found = {
        (row.summary.grid, math.log2(row.summary.point[LR])): row.summary for row in rows(sweep, observations)
    }
    few, many = found["other", 1.0], found["other", 4.0]
    assert (few.num_asked, few.num_spared, few.best.num_runs) == (3, 5, 3)
    assert (many.num_asked, many.num_spared, many.best.num_runs) == (8, 0, 8)
    assert many.value == pytest.approx(sum(value("other", many.point, seed) for seed in range(8)) / 8)
    caption = " ".join(figure_series(sweep, observations).caption)
    assert "Mean ± s.d. of all of 3 to 8 runs a point" in caption
    assert "8 with 3, 2 with 8" in caption
    assert "protocol.seeds=claims" in caption
    assert "40 spared" in caption


def test_a_reproduction_is_what_it_was(in_rounds, make_runs):
    sweep = in_rounds(gain("one"), seeds="all")
    runs = make_runs(sweep, value)
    assert spare(sweep, runs) == runs
    assert describe_rounds(sweep, runs) == []
    (verdict,) = judge(sweep, runs)
    assert verdict.num_seeds == 8
    assert "look" not in verdict.rule


def test_a_point_that_lacks_runs_for_a_value_gets_more_seeds(in_rounds, make_runs):
    """Of the first three seeds one diverged, so that best 3 of 8 need a fourth; of another point all do."""

    def diverging(grid, point, seed):
        if grid == "one" and ((point[LR] == 4 and seed == 1) or point[LR] == 8):
            return None
        return value(grid, point, seed)

    sweep = in_rounds(gain("other", threshold=-1))
    asked = seeds_at(sweep, make_runs(sweep, diverging))
    numbers = {place: len(seeds) for place, seeds in asked.items()}
    assert numbers.pop(("one", 2.0)) == 4
    assert numbers.pop(("one", 3.0)) == 6  # six diverged of eight: three finite ones are out of reach
    assert set(numbers.values()) == {3}


def test_a_claim_without_a_source_asks_for_nothing(in_rounds, make_runs):
    sweep = in_rounds(gain("other", source="missing"))
    assert {len(seeds) for seeds in seeds_at(sweep, make_runs(sweep, value)).values()} == {3}


# Halving


@pytest.fixture
def halving(make_sweep):
    """Return a function that builds a sweep of one grid, over which is tuned, with halving over seeds."""

    def build(axes, claims=(), num_seeds=8, **drawing):
        sweep = make_sweep({"sgd": axes}, num_seeds, 5, claims, **drawing)
        protocol = sweep.protocol.model_copy(update={"seeds": "halving"})
        return sweep.model_copy(update={"protocol": protocol})

    return build


def parabola(grid, point, seed):
    return 0.9 - 0.01 * (math.log2(point[LR]) - 4) ** 2 + 0.001 * math.sin(seed)


NINE = [2.0**k for k in range(9)]


def num_seeds_at(sweep, runs):
    """Return log2 rate → how many seeds are asked for."""
    counts = {}
    for run in spare(sweep, runs):
        counts[math.log2(run.point[LR])] = counts.get(math.log2(run.point[LR]), 0) + (run.state != "spared")
    return counts


def test_the_better_half_goes_on_from_rung_to_rung(halving, make_runs):
    """Of nine, five at two seeds, three at four: the best and its neighbours, which tie."""
    sweep = halving({LR: NINE}, mark_optimum=True)
    runs = make_runs(sweep, parabola)
    assert num_seeds_at(sweep, runs) == {0: 2, 1: 2, 2: 4, 3: 8, 4: 8, 5: 8, 6: 4, 7: 2, 8: 2}
    assert num_seeds_at(sweep, until(runs, 0)) == dict.fromkeys(range(9), 2)
    assert num_seeds_at(sweep, until(runs, 2)) == {0: 2, 1: 2, 2: 4, 3: 4, 4: 4, 5: 4, 6: 4, 7: 2, 8: 2}


def test_what_was_stopped_has_no_value_and_says_where(halving, make_runs):
    sweep = halving({LR: NINE}, mark_optimum=True)
    observations = spare(sweep, make_runs(sweep, parabola))
    found = [row.summary for row in rows(sweep, observations)]
    assert [summary.value is None for summary in found] == [True] * 3 + [False] * 3 + [True] * 3
    assert found[0].standing == found[2].standing == "stopped"
    assert found[2].note == "spared: stopped by halving with 4 of 8 seeds"
    assert found[4].best.num_runs == 5
    best = [row.summary for row in rows(sweep, observations) if row.is_optimum]
    assert best == [found[4]]
    caption = " ".join(figure_series(sweep, observations).caption)
    assert "successive halving" in caption
    assert "rungs at 2 and 4 seeds" in caption
    assert "4 with 2, 2 with 4, 3 with 8" in caption


def test_the_error_bar_of_the_best_is_never_stopped(halving, make_runs):
    """All within one deviation of the best: halving saves nothing rather than choose among equals."""
    sweep = halving({LR: NINE}, mark_optimum=True)
    flat = make_runs(sweep, lambda grid, point, seed: 0.9 + 0.01 * (seed % 2) + 1e-4 * math.log2(point[LR]))
    assert set(num_seeds_at(sweep, flat).values()) == {8}


def test_points_that_are_drawn_or_claimed_for_themselves_get_every_seed(halving, make_runs):
    drawn = halving({LR: NINE})
    assert set(num_seeds_at(drawn, make_runs(drawn, parabola)).values()) == {8}
    claim = {**gain("sgd"), "to": {"grid": "sgd", "at": "optimum"}}
    claimed = halving({LR: NINE}, [claim], mark_optimum=True)
    counts = num_seeds_at(claimed, make_runs(claimed, parabola))
    assert (counts.pop(0), counts.pop(1), counts.pop(4)) == (8, 2, 8)
    (verdict,) = judge(claimed, spare(claimed, make_runs(claimed, parabola)))
    assert (verdict.verdict, verdict.num_seeds) == ("supported", 8)


def test_a_point_that_can_have_no_value_is_stopped_at_once(halving, make_runs):
    """At four seeds all have diverged, more than three: five of eight are out of reach."""
    sweep = halving({LR: [1, 2, 4]}, mark_optimum=True)
    runs = make_runs(sweep, lambda grid, point, seed: None if point[LR] == 4 else parabola(grid, point, seed))
    assert num_seeds_at(sweep, runs)[2] == 4
    (summary,) = (row.summary for row in rows(sweep, spare(sweep, runs)) if row.summary.point[LR] == 4)
    assert summary.standing == "diverged"


def test_a_loss_is_halved_the_other_way_round(halving, make_runs):
    loss = "test_loss.final"
    sweep = halving({LR: NINE}, mark_optimum=True, curves=[{"grid": "sgd", "metric": loss}], x=LR)
    runs = make_runs(sweep, lambda grid, point, seed: 1 - parabola(grid, point, seed), loss)
    assert num_seeds_at(sweep, runs)[4] == 8
    assert num_seeds_at(sweep, runs)[0] == 2


def test_an_edge_may_be_next_to_a_stopped_point(halving, make_runs):
    """A stopped point was asked for, and found worse: next to it is no edge."""
    sweep = halving({LR: NINE}, mark_optimum=True)
    (row,) = (row for row in rows(sweep, spare(sweep, make_runs(sweep, parabola))) if row.is_optimum)
    assert row.edges == ()


def test_a_summary_keeps_fewer_only_where_the_rule_says_so(halving, make_runs):
    sweep = halving({LR: NINE}, mark_optimum=True)
    (own,) = arrange(sweep, make_runs(sweep, parabola)).values()
    assert summarize_point(own.runs[0], sweep.protocol, ACCURACY).best.num_runs == 5
