"""The stored table: read back as it was written, and compared so that a slowdown has a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from performance.rows import Missing, Row, RowSpec, Variant, ratios
from performance.stored import Table, read, worsened

FASTER = RowSpec("faster", "training", "a peer", 15.0)
SLOWER = RowSpec("slower", "training", "the floor", 1.6, "lower")
SECONDS = RowSpec("plan", "planning", "–", 10.0, "lower", "s")


def row(spec: RowSpec, value: float) -> Row:
    return Row.over_rounds(spec, [value, 0.9 * value, 1.2 * value])


def table(*rows: Row | Missing) -> Table:
    return Table({"processor": "a machine"}, rows, (Variant("work", "sgdlab", 20.0, 19.0, 22.0),))


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = table(row(FASTER, 20.0), Missing(SLOWER, "not here"))
    (tmp_path / "table.json").write_text(written.to_json(), encoding="utf-8")
    assert read(tmp_path / "table.json") == written


@pytest.mark.parametrize(
    ("spec", "now", "is_worse"),
    [
        (FASTER, 20.0 / 1.14, False),
        (FASTER, 20.0 / 1.16, True),
        (FASTER, 40.0, False),
        (SLOWER, 20.0 * 1.14, False),
        (SLOWER, 20.0 * 1.16, True),
        (SLOWER, 10.0, False),
        (SECONDS, 100.0, False),
    ],
)
def test_a_ratio_is_worse_beyond_fifteen_per_cent(spec: RowSpec, now: float, is_worse: bool) -> None:
    lines = worsened(table(row(spec, 20.0)), [row(spec, now)], [spec.name])
    assert bool(lines) == is_worse
    if is_worse:
        (line,) = lines
        assert line.startswith(f"{spec.name}: 20 before, {now:.3g} now, 16% worse")


def test_a_row_that_is_no_longer_measured_is_worse() -> None:
    (line,) = worsened(table(row(FASTER, 20.0)), [Missing(FASTER, "no JAX")], ["faster"])
    assert line == "faster: 20 before, not measured now"


def test_rows_that_were_not_asked_for_are_left_out() -> None:
    assert worsened(table(row(FASTER, 20.0)), [], []) == []


def test_a_row_is_the_median_with_its_range() -> None:
    made = Row.over_rounds(FASTER, ratios([30.0, 50.0, 32.0], [2.0, 2.0, 2.0]))
    assert (made.value, made.low, made.high) == (16.0, 15.0, 25.0)
    assert made.is_reached
    assert row(SLOWER, 1.7).is_reached is False
    assert row(RowSpec("shown", "", ""), 1.0).is_reached is None
