"""What is said of a finite-difference penalty's measured error, and of differences across kinks."""

from dataclasses import replace

import pytest

from sgdlab.analysis.observations import Observation
from sgdlab.analysis.penalty_error import describe_penalty_error


def run(key: str, worst: float | None, **fields) -> Observation:
    metrics = {} if worst is None else {"penalty_relative_error.worst": worst}
    return replace(Observation("p", "g", {}, 0, key, "done", metrics), **fields)


def test_nothing_is_said_of_exact_penalties():
    assert describe_penalty_error([run("a", None)]) == []


def test_median_and_largest_over_distinct_runs():
    runs = [run("a", 0.01), run("a", 0.01), run("b", 0.02), run("c", 0.09), run("d", None)]
    (line,) = describe_penalty_error(runs)
    assert line.startswith("Penalty by finite differences in 3 runs: ")
    assert line.endswith("0.02 in the median run and 0.09 at most.")


@pytest.mark.parametrize(("worst", "num_above"), [((0.2,), 1), ((0.01, 0.02, 38), 1), ((1, 2, 9), 3)])
def test_runs_with_a_large_error_are_counted_however_good_the_others_are(worst, num_above):
    line, distrust = describe_penalty_error([run(str(i), error) for i, error in enumerate(worst)])
    assert line.startswith(f"Penalty by finite differences in {len(worst)} run")
    assert line.endswith(f"{max(worst):.2g} at most; above 0.1 in {num_above}.")
    assert distrust == "Above 0.1 a run's results are not those of the penalty."


def test_differences_across_kinks_are_named_whatever_was_measured():
    runs = [run("a", 1e-4, differences_kinks=True), run("b", 1e-4)]
    runs.append(run("c", None, differences_kinks=True, state="diverged"))  # before its first evaluation
    runs.append(run("d", None, differences_kinks=True, state="missing"))
    measured, kinks = describe_penalty_error(runs)
    assert measured.endswith("at most.")
    assert kinks.startswith("2 runs take finite differences with ReLU: unreliable even where")
    assert kinks.endswith("(docs/penalty.md).")
