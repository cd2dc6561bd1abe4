"""Seeds in rounds and halving on made-up runs: what is said of them in docs/rounds.md, on fewer sweeps."""

import statistics

import pytest

from extension.simulated import SHAPES, Case
from stopping.decisions import QUESTIONS, outcomes
from stopping.halved import halve_curves

NUM_SWEEPS = 200  # the standard error of a share of 5 % is 1.5 %


def share_decided(found):
    return statistics.mean(one.is_decided for one in found)


def test_looking_again_and_again_decides_what_is_not_so_and_the_wider_intervals_do_not():
    found = outcomes(QUESTIONS["gain, first to last"], 0.0, range(5, 13), NUM_SWEEPS)
    assert share_decided(found["every look"]) > 0.05 + 2 * 0.015
    assert share_decided(found["rounds"]) <= 0.05


def test_what_is_plain_is_seen_with_fewer_seeds():
    found = outcomes(QUESTIONS["gain, first to last"], 4.0, range(5, 13), NUM_SWEEPS)
    assert share_decided(found["rounds"]) == 1
    assert statistics.mean(one.num_seeds for one in found["rounds"]) < 7
    assert {one.num_seeds for one in found["once"]} == {12}


@pytest.mark.parametrize("name", SHAPES)
def test_halving_keeps_the_best_point_at_fewer_runs(name):
    for num_seeds, keep, most in ((7, 5, 0.62), (15, 12, 0.45)):
        halved = [
            one
            for number in range(2)
            for one in halve_curves(Case(SHAPES[name], 0.01, number), num_seeds, keep)
        ]
        assert all(one.has_true_best and one.is_same_optimum for one in halved)
        assert statistics.mean(one.share_of_runs for one in halved) < most


def test_halving_thins_the_error_bar_of_a_flat_curve():
    halved = [one for number in range(8) for one in halve_curves(Case(lambda _: 0.9, 0.01, number), 7, 5)]
    assert statistics.mean(one.share_of_bar for one in halved) < 0.9
