"""What is said of a finite-difference penalty's measured error."""

import pytest

from sgdlab.analysis.penalty_error import describe_penalty_error


def summaries(*worst: float) -> dict[str, dict[str, float]]:
    measured = {f"run{i}": {"penalty_relative_error.worst": value} for i, value in enumerate(worst)}
    return {**measured, "exact": {"test_accuracy.best": 0.9}}


def test_nothing_is_said_of_exact_penalties():
    assert describe_penalty_error(summaries()) == []


def test_median_and_largest_over_the_measured_runs():
    (line,) = describe_penalty_error(summaries(0.01, 0.02, 0.09))
    assert line.startswith("Penalty by finite differences in 3 runs: ")
    assert line.endswith("0.02 in the median run and 0.09 at most.")


@pytest.mark.parametrize(("worst", "num_above"), [((0.2,), 1), ((0.01, 0.02, 38), 1), ((1, 2, 9), 3)])
def test_runs_with_a_large_error_are_counted_however_good_the_others_are(worst, num_above):
    (line,) = describe_penalty_error(summaries(*worst))
    assert line.startswith(f"Penalty by finite differences in {len(worst)} run")
    assert f"{max(worst):.2g} at most; above 0.1 in {num_above}, whose results are not those of the" in line
    assert "docs/penalty.md" in line
