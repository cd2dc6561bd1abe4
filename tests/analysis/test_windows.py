"""Windows against evaluations that were chosen by hand."""

import numpy as np
import pytest

from sgdlab.analysis.windows import evaluations_in, holds, missing_curve
from sgdlab.sweeps.windows import Condition, Window

NAN, INF = np.nan, np.inf
CURVES = {
    "updates": np.array([1, 10, 20, 30, 40]),
    "a": np.array([0.0, 2.0, 0.0, 2.0, NAN]),
    "b": np.array([NAN, INF, 5.0, 1.0, -INF]),
}


def condition(metric, **bound):
    return {"metric": f"{metric}.curve", **bound}


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({}, [1, 1, 1, 1, 1]),
        ({"part": [0.5, 1]}, [0, 0, 1, 1, 1]),  # of the updates, both ends included
        ({"part": [0, 0.25]}, [1, 1, 0, 0, 0]),
        ({"after": condition("a", above=1)}, [0, 1, 1, 1, 1]),
        ({"before": condition("a", above=1)}, [1, 0, 0, 0, 0]),
        ({"after": condition("a", above=3)}, [0, 0, 0, 0, 0]),
        ({"before": condition("a", above=3)}, [1, 1, 1, 1, 1]),
        ({"where": [condition("a", above=1)]}, [0, 1, 0, 1, 0]),
        ({"where": [condition("a", above=1), condition("b", below=2)]}, [0, 0, 0, 1, 0]),
        ({"part": [0.6, 1], "where": [condition("a", below=3)]}, [0, 0, 0, 1, 0]),
        ({"after": condition("a", above=1), "before": condition("b", below=2)}, [0, 1, 1, 0, 0]),
    ],
)
def test_an_evaluation_is_in_a_window_that_it_satisfies_all_of(window, expected):
    assert evaluations_in(Window.model_validate(window), CURVES).tolist() == [bool(e) for e in expected]


def test_a_bound_is_exclusive_and_what_is_not_finite_satisfies_none():
    assert holds(Condition(metric="a.curve", above=2), CURVES).sum() == 0
    assert holds(Condition(metric="b.curve", above=-9), CURVES).tolist() == [False, False, True, True, False]
    assert holds(Condition(metric="b.curve", below=9), CURVES).tolist() == [False, False, True, True, False]


def test_a_curve_that_a_run_lacks_is_named():
    assert missing_curve(CURVES, ["a.curve", "b.curve"]) is None
    assert missing_curve(CURVES, ["a.curve", "c.curve"]) == "has no c over training"
    assert missing_curve({}, ["a.curve"]) == "has no updates over training"
