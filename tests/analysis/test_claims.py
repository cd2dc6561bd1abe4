"""Intervals against expectations, and claims spread over panels."""

import math

import pytest

from sgdlab.analysis.claims import decide, judge
from sgdlab.sweeps.claims import Expectation

GRIDS = {"plain": {"optimizer.lr": [0.25, 0.5, 1.0]}}


@pytest.mark.parametrize(
    ("expect", "interval", "decision"),
    [
        ({"above": 0}, (0.1, 0.2), "supported"),
        ({"above": 0}, (-0.2, 0.0), "not supported"),
        ({"above": 0}, (0.0, 0.2), "inconclusive"),
        ({"above": 0}, (0.1, math.inf), "supported"),
        ({"below": 0}, (-0.2, -0.1), "supported"),
        ({"below": 0}, (0.0, 0.2), "not supported"),
        ({"below": 0}, (-0.1, 0.1), "inconclusive"),
        ({"within": (1, 2)}, (1.0, 2.0), "supported"),
        ({"within": (1, 2)}, (2.1, 3.0), "not supported"),
        ({"within": (1, 2)}, (0.0, 0.9), "not supported"),
        ({"within": (1, 2)}, (1.5, math.inf), "inconclusive"),
        ({"within": (1, 2)}, (0.0, 3.0), "inconclusive"),
    ],
)
def test_decide(expect, interval, decision):
    assert decide(interval, Expectation(**expect)) == decision


def gain(**changes):
    points = {"start": {"grid": "plain", "at": "first"}, "to": {"grid": "plain", "at": "last"}}
    base = {"kind": "gain", "says": "it rises", "metric": "test_accuracy.best", "expect": {"above": 0}}
    return {**base, **points, **changes}


def rising(grid, point, seed):
    return point["optimizer.lr"] + 0.01 * seed * point["optimizer.lr"]


def test_every_claim_is_judged_in_each_of_its_panels(make_sweep, make_runs):
    claims = [gain(), gain(panels=["b"], expect={"below": 0})]
    sweep = make_sweep(GRIDS, claims=claims, panels=("a", "b"))
    verdicts = judge(sweep, make_runs(sweep, rising))
    assert [(verdict.panel, verdict.verdict) for verdict in verdicts] == [
        ("a", "supported"),
        ("b", "supported"),
        ("b", "not supported"),
    ]
    assert verdicts[0].claim.says == "it rises"


def test_a_verdict_says_its_rule_and_its_reason(make_sweep, make_runs):
    sweep = make_sweep(GRIDS, claims=[gain()])
    (verdict,) = judge(sweep, make_runs(sweep, rising))
    assert verdict.rule == (
        "test_accuracy.best at the last point of 'plain' minus the first point of 'plain', mean over paired "
        "seeds; expected above 0"
    )
    assert verdict.reason == "the interval [0.7389, 0.7761] lies above 0"
    assert verdict.estimate == pytest.approx(0.7575)


def test_the_order_of_observations_does_not_matter(make_sweep, make_runs):
    sweep = make_sweep(GRIDS, claims=[gain()])
    runs = make_runs(sweep, rising)
    assert judge(sweep, runs) == judge(sweep, reversed(runs))


def test_without_any_run_nothing_is_decided(make_sweep):
    (verdict,) = judge(make_sweep(GRIDS, claims=[gain()]), [])
    assert (verdict.verdict, verdict.estimate, verdict.num_seeds) == ("inconclusive", None, 0)


@pytest.mark.parametrize(
    ("expect", "measured"),
    [
        ({"above": 0}, "the interval [0.7389, 0.7761] lies above 0"),
        ({"below": 0}, "the interval [0.7389, 0.7761] doesn't lie below 0"),
        ({"above": 0.75}, "the interval [0.7389, 0.7761] lies only partly above 0.75"),
    ],
)
def test_without_its_source_a_claim_is_inconclusive_whatever_is_measured(
    make_sweep, make_runs, expect, measured
):
    sweep = make_sweep(GRIDS, claims=[gain(expect=expect, source="missing")])
    (verdict,) = judge(sweep, make_runs(sweep, rising))
    assert verdict.verdict == "inconclusive"
    assert verdict.estimate == pytest.approx(0.7575)
    assert verdict.reason == (
        f"source missing: the settings are assumed, for no text at hand states them; {measured}"
    )


def test_without_its_source_a_claim_still_says_what_its_number_lacks(make_sweep):
    (with_source,) = judge(make_sweep(GRIDS, claims=[gain()]), [])
    (without,) = judge(make_sweep(GRIDS, claims=[gain(source="missing")]), [])
    assert without.reason == (
        f"source missing: the settings are assumed, for no text at hand states them; {with_source.reason}"
    )
