"""What the store remembers of extensions, and to which sweep it belongs after an edit."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from sgdlab.errors import UsageError, UserError
from sgdlab.sweeps.expand import expand
from sgdlab.sweeps.extension import (
    AddedPoint,
    add_round,
    covered_by,
    extend_sweep,
    read_record,
    recording,
    settings_of,
)
from sgdlab.sweeps.places import places

BATCHES = {"rate": {"label": "ε", "axes": {"optimizer.batch_size": [8, 16], "optimizer.lr": "pow2(-4, -2)"}}}
DRAWING = {"kind": "optima", "x": "optimizer.batch_size", "tuned": ["optimizer.lr"]}


@pytest.fixture
def sweep_of(load, small):
    """Return a function that loads the small sweep over two batch sizes, with changes."""

    def build(*overrides, grids=BATCHES, **base):
        base = {**small["base"], **{key.replace("__", "."): value for key, value in base.items()}}
        return load(
            {**small, "grids": grids, "base": base, "drawing": small["drawing"] | DRAWING}, *overrides
        )

    return build


def added(sweep, batch_size, rate, round=1):
    panel = sweep.panels["main"]
    grid = panel.grids["rate"]
    point = {"optimizer.batch_size": batch_size, "optimizer.lr": rate}
    covered = covered_by(grid, ["optimizer.lr"])
    return AddedPoint("main", "rate", point, covered, settings_of(panel, grid), round, "edge")


def points_of(sweep):
    return [tuple(point.values()) for point in sweep.panels["main"].grids["rate"].points()]


def test_a_curve_gets_points_that_others_do_not_get(sweep_of, composer):
    sweep = sweep_of()
    extended = extend_sweep(sweep, [added(sweep, 16, 0.5), added(sweep, 16, 1.0, 2)])
    assert points_of(extended.sweep) == [
        *((8, rate) for rate in (2**-4, 2**-3, 2**-2)),
        *((16, rate) for rate in (2**-4, 2**-3, 2**-2, 0.5, 1.0)),
    ]
    rows = list(expand(extended.sweep, composer))
    assert [(row.point, row.seed) for row in rows] == [(p.point, p.seed) for p in places(extended.sweep)]
    before = {row.key for row in expand(sweep, composer)}
    assert before < {row.key for row in rows}
    assert len({row.key for row in rows}) == len(before) + 2 * sweep.protocol.num_seeds
    wide = sweep_of("optimizer.lr=2**-4,2**-3,2**-2,0.5,1.0")
    assert {row.key for row in rows} < {row.key for row in expand(wide, composer)}


def test_a_round_that_two_find_is_there_once_and_is_never_changed(sweep_of, store):
    sweep = sweep_of()
    points = [added(sweep, 16, 0.5), added(sweep, 8, 0.5)]

    def add(_):
        with recording(store, "made", "laptop") as record:
            add_round(record, points)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(8)))
    record = read_record(store, "made", "laptop")
    assert len(list(record.folder.glob("*.json"))) == 1
    assert {json.dumps(point.point) for point in record.points} == {json.dumps(p.point) for p in points}
    with recording(store, "made", "laptop") as before:
        add_round(before, [added(sweep, 16, 1.0, 2)])
    after = read_record(store, "made", "laptop")
    assert len(after.points) == 3
    assert after.digest not in ("", record.digest)
    assert read_record(store, "made", "paper").points == ()


def test_what_a_killed_command_leaves_is_no_round(sweep_of, store):
    with recording(store, "made", "laptop") as record:
        (record.folder / ".half.json-0123456789ab").write_text('{"format": 1, "poi')
    assert read_record(store, "made", "laptop").points == ()


def test_a_damaged_round_is_one_line_with_the_way_out(sweep_of, store):
    with recording(store, "made", "laptop") as record:
        (record.folder / "0123456789abcdef.json").write_text('{"format": 1, "poi')
    with pytest.raises(UserError, match=r"0123456789abcdef.json: not a readable round .* delete it, and"):
        read_record(store, "made", "laptop")


def test_a_grid_that_was_made_wider_keeps_its_extension(sweep_of):
    record = [added(sweep_of(), 16, 0.5), added(sweep_of(), 16, 1.0, 2)]
    grid = {"rate": BATCHES["rate"] | {"axes": BATCHES["rate"]["axes"] | {"optimizer.lr": "pow2(-5, -1)"}}}
    extended = extend_sweep(sweep_of(grids=grid), record)
    assert points_of(extended.sweep)[-1] == (16, 1.0)
    assert len(points_of(extended.sweep)) == 2 * 5 + 1  # 0.5 is of the grid by now
    assert extended.left_out == ()


OTHERS = {
    "narrower": ({"overrides": ["optimizer.lr=2**-4,2**-3"]}, "grid rate covers less of optimizer.lr here"),
    "other base": ({"data__num_train": 32}, "grid rate has other settings here"),
    "one fixed": (
        {"grids": {"rate": BATCHES["rate"] | {"fixed": {"optimizer.momentum": 0.9}}}},
        "grid rate has other settings here",
    ),
}


@pytest.mark.parametrize(("change", "why"), OTHERS.values(), ids=OTHERS)
def test_what_belongs_to_another_grid_is_left_out_and_said(sweep_of, change, why):
    record = [added(sweep_of(), 16, 0.5), added(sweep_of(), 16, 1.0, 2)]
    change = dict(change)
    sweep = sweep_of(*change.pop("overrides", ()), **change)
    extended = extend_sweep(sweep, record)
    assert points_of(extended.sweep) == points_of(sweep)
    assert extended.left_out == (f"2 points of an earlier extension of made left out: {why}",)


def test_a_grid_that_is_gone_is_said(sweep_of):
    record = [replace(added(sweep_of(), 16, 0.5), grid="other")]
    assert extend_sweep(sweep_of(), record).left_out == (
        "1 point of an earlier extension of made left out: there is no grid other any more",
    )


def test_curves_that_are_not_asked_for_get_nothing(sweep_of):
    extended = extend_sweep(sweep_of("optimizer.batch_size=8"), [added(sweep_of(), 16, 0.5)])
    assert [batch for batch, _ in points_of(extended.sweep)] == [8, 8, 8]
    assert extended.left_out == ()


def test_the_same_number_written_otherwise_is_the_same_setting(sweep_of):
    one, other = sweep_of(loss__l2="2**-9"), sweep_of(loss__l2=1 / 512)
    assert extend_sweep(other, [added(one, 16, 0.5)]).left_out == ()


REFUSED = {
    "an axis is missing": ([{"optimizer.lr": 1}], "a point of also has a value for each axis"),
    "it is of the product": ([{"optimizer.batch_size": 8, "optimizer.lr": "2**-4"}], "comes twice"),
    "it comes twice": ([{"optimizer.batch_size": 8, "optimizer.lr": 1}] * 2, "comes twice"),
}


@pytest.mark.parametrize(("also", "message"), REFUSED.values(), ids=REFUSED)
def test_points_beside_the_product_are_whole_and_new(sweep_of, also, message):
    with pytest.raises(UsageError, match=message):
        sweep_of(grids={"rate": {**BATCHES["rate"], "also": also}})


def test_an_axis_from_the_command_line_replaces_what_is_beside_it(sweep_of):
    grids = {"rate": {**BATCHES["rate"], "also": [{"optimizer.batch_size": 8, "optimizer.lr": "2**0"}]}}
    assert (8, 1) in points_of(sweep_of(grids=grids))
    assert points_of(sweep_of("optimizer.lr=2**-4,2**-3", grids=grids)) == [
        (batch, rate) for batch in (8, 16) for rate in (2**-4, 2**-3)
    ]


def test_settings_of_an_extension_are_read_and_refused(load, small):
    assert load({**small, "extend": "auto"}).extend.when == "auto"
    read = load({**small, "extend": {"rounds": 3, "limits": {"optimizer.lr": ["2**-9", "2**0"]}}}).extend
    assert (read.when, read.rounds, read.limits) == ("on request", 3, {"optimizer.lr": (2**-9, 1.0)})
    for wrong, message in (
        ({"limits": {"optimizer.momentum": [0, 1]}}, "extend.limits: optimizer.momentum is no axis"),
        ({"limits": {"optimizer.lr": [1, "2**-9"]}}, r"limits of optimizer.lr are \[low, high\]"),
        ({"rounds": 0}, "extend.rounds"),
        ("always", "extend.when"),
    ):
        with pytest.raises(UsageError, match=message):
            load({**small, "extend": wrong})
