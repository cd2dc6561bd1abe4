"""The rows of `sgdlab results`, and their export."""

import csv
import io
import json

import pytest

from sgdlab.analysis.claims import judge
from sgdlab.analysis.tables import describe_left_out, record_of_row, record_of_verdict, rows, write_csv

LR, STRENGTH = "optimizer.lr", "regularizer.strength"
GRIDS = {"plain": {LR: [0.125, 0.25, 0.5]}, "reg": {STRENGTH: [2.0**-6]}}
HEIGHTS = {0.125: 0.5, 0.25: 0.6, 0.5: None}
CLAIM = {
    "kind": "optimum_ratio",
    "says": "x",
    "of": {"grid": "plain", "metric": "test_accuracy.best"},
    "over": {"grid": "reg", "metric": "test_accuracy.best"},
    "expect": {"above": 0},
}


@pytest.fixture
def results(make_sweep, make_runs):
    sweep = make_sweep(GRIDS, num_seeds=3, keep=2, claims=[CLAIM])

    def value(grid, point, seed):
        height = 0.55 if grid == "reg" else HEIGHTS[point[LR]]
        return None if height is None or (grid, seed) == ("reg", 2) else height + 0.01 * seed

    return sweep, make_runs(sweep, value)


def test_every_point_has_a_row(results):
    table = rows(*results)
    assert [(row.summary.grid, tuple(row.summary.point.values())) for row in table] == [
        ("plain", (0.125,)),
        ("plain", (0.25,)),
        ("plain", (0.5,)),
        ("reg", (2.0**-6,)),  # not drawn: in the metric that ranks
    ]
    assert [row.is_optimum for row in table] == [False, True, False, True]
    assert [row.in_error_bar for row in table] == [False, True, False, True]
    assert all(row.edges == () for row in table)


def test_json_and_csv_hold_the_same(results):
    table = rows(*results)
    record = json.loads(json.dumps(record_of_row(table[1]), allow_nan=False))
    assert record[LR] == 0.25
    assert (record["best_mean"], record["unselected_mean"]) == (pytest.approx(0.615), pytest.approx(0.61))
    assert (record["num_asked"], record["num_done"], record["num_missing"]) == (3, 3, 0)
    assert record["kept_seeds"] == [2, 1]
    assert record["left_out"][0]["reason"] == "ranks 3 of 3: test_accuracy.best is 0.6"
    write_csv(table, written := io.StringIO())
    lines = list(csv.DictReader(io.StringIO(written.getvalue())))
    assert len(lines) == 4
    assert float(lines[1]["best_mean"]) == record["best_mean"]
    assert lines[2]["best_mean"] == ""
    assert lines[2]["note"] == "0 finite runs of 3, 2 needed"
    assert (lines[3][LR], float(lines[3][STRENGTH])) == ("", 2.0**-6)
    assert lines[1]["kept_seeds"] == "2 1"


def test_what_was_left_out_is_named_where_it_is_a_result_and_counted_elsewhere(results):
    assert list(describe_left_out(rows(*results))) == [
        "main/plain optimizer.lr=2**-1 seeds 0, 1, 2: diverged",
        "main/reg regularizer.strength=2**-6 seed 2: diverged",
        "2 runs left out for ranking below the best of their points",
    ]


def test_unseen_runs_are_counted(results):
    sweep, _ = results
    assert list(describe_left_out(rows(sweep, []))) == ["12 runs missing: `sgdlab run` trains them"]


def test_a_verdict_is_json_without_infinity(results):
    (verdict,) = judge(*results)
    record = json.loads(json.dumps(record_of_verdict(verdict), allow_nan=False))
    assert record["verdict"] == "inconclusive"
    assert record["interval"] in (None, [None, None])
    assert record["claim"]["kind"] == "optimum_ratio"
