"""What is said of a finite-difference penalty's measured error."""

import pytest

from sgdlab.analysis.observations import Observation
from sgdlab.analysis.penalty_error import describe_penalty_error


def run(key: str, worst: float | None) -> Observation:
    metrics = {} if worst is None else {"penalty_relative_error.worst": worst}
    return Observation("p", "g", {}, 0, key, "done", metrics)


def test_nothing_is_said_of_exact_penalties():
    assert describe_penalty_error([run("a", None)]) == []


@pytest.mark.parametrize(("scale", "is_tolerable"), [(0.01, True), (1.0, False)])
def test_median_and_largest_over_distinct_runs(scale, is_tolerable):
    runs = [run("a", scale), run("a", scale), run("b", 2 * scale), run("c", 9 * scale), run("d", None)]
    (line,) = describe_penalty_error(runs)
    assert line.startswith("Penalty by finite differences in 3 runs")
    assert f"{2 * scale:.2g} in the median run and {9 * scale:.2g} at most" in line
    assert line.endswith("; its results are not those of the penalty.") is not is_tolerable
