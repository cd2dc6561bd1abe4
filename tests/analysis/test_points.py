"""Observations sorted into the grids of a sweep."""

from dataclasses import replace

import pytest

from sgdlab.analysis.observations import Observation
from sgdlab.analysis.points import NoSuchPointError, arrange, restrict
from sgdlab.errors import UsageError
from sgdlab.sweeps.selection import Band
from sgdlab.sweeps.spec import Sweep

GRIDS = {"nstep": {"optimizer.inner_steps": [1, 4], "optimizer.lr": [0.5, 0.25]}}


def test_points_are_in_the_order_of_the_file_and_unseen_runs_are_missing(make_sweep, make_runs):
    sweep = make_sweep(GRIDS, num_seeds=2)
    runs = make_runs(sweep, lambda grid, point, seed: 0.5)
    arranged = arrange(sweep, reversed(runs[1:]))["main", "nstep"]
    assert [tuple(point.values()) for point in arranged.points] == [(1, 0.5), (1, 0.25), (4, 0.5), (4, 0.25)]
    assert [[run.seed for run in at_point] for at_point in arranged.runs] == [[0, 1]] * 4
    assert [run.state for run in arranged.runs[0]] == ["missing", "done"]
    assert arranged.runs[0][0].key == ""


def test_an_axis_of_lists_is_found(make_sweep, make_runs):
    sweep = make_sweep({"wide": {"model.hidden_widths": [[64, 64], [128]]}}, num_seeds=1)
    runs = make_runs(sweep, lambda grid, point, seed: 0.5)
    runs = [
        replace(run, point={"model.hidden_widths": tuple(run.point["model.hidden_widths"])}) for run in runs
    ]
    assert all(run.state == "done" for at in arrange(sweep, runs)["main", "wide"].runs for run in at)


def test_axes_expressions_fixed_and_coupled_values(make_sweep):
    data = make_sweep(GRIDS).model_dump()
    data["panels"]["main"]["base"] = {"optimizer": "sgd", "optimizer.batch_size": "2**4"}
    data["panels"]["main"]["grids"]["nstep"]["coupled"] = {"budget.num_epochs": "400 / optimizer.inner_steps"}
    grid_runs = arrange(Sweep.model_validate(data), [])["main", "nstep"]
    assert grid_runs.values_of("optimizer.lr") == [0.5, 0.25, 0.5, 0.25]
    assert grid_runs.values_of("optimizer.lr * optimizer.inner_steps") == [0.5, 0.25, 2.0, 1.0]
    assert grid_runs.values_of("optimizer.lr / optimizer.batch_size") == [1 / 32, 1 / 64] * 2
    assert grid_runs.values_of("budget.num_epochs") == [400, 400, 100, 100]
    with pytest.raises(UsageError, match=r"'optimizer.momentum' is not a number"):
        grid_runs.values_of("optimizer.momentum")


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"panel": "other"}, "grid 'nstep' of panel 'other'"),
        ({"grid": "other"}, "grid 'other' of panel 'main'"),
        ({"point": {"optimizer.inner_steps": 1, "optimizer.lr": 2.0**-9}}, r"at optimizer.inner_steps=1, "),
    ],
)
def test_an_observation_of_another_sweep_is_refused(make_sweep, changes, place):
    point = {"optimizer.inner_steps": 1, "optimizer.lr": 0.5}
    stranger = replace(Observation("main", "nstep", point, 0, "k", "done"), **changes)
    with pytest.raises(UsageError, match=f"made/up at scale laptop doesn't have .*{place}"):
        arrange(make_sweep(GRIDS), [stranger])


def test_duplicates_and_surplus_seeds_are_refused(make_sweep, make_runs):
    sweep = make_sweep(GRIDS, num_seeds=2)
    runs = make_runs(sweep, lambda grid, point, seed: 0.5)
    with pytest.raises(UsageError, match=r"has seed 0 twice, as runs main-nstep-1-0.5-0 and again"):
        arrange(sweep, [*runs, replace(runs[0], key="again")])
    with pytest.raises(
        UsageError, match=r"has 3 runs, and protocol.num_seeds=2: .* raise protocol.num_seeds"
    ):
        arrange(sweep, [*runs, replace(runs[0], seed=7)])


RAGGED = {2.0: [8], 0.125: [16, 32]}  # rates beside the product → where they were asked for


@pytest.fixture
def ragged(make_sweep, make_runs):
    """Return a grid of two axes with points beside its product, and its runs."""
    axes = {"optimizer.batch_size": [8, 16, 32], "optimizer.lr": [0.25, 0.5, 1.0]}
    sweep = make_sweep({"sgd": axes}, num_seeds=1)
    also = [
        {"optimizer.lr": rate, "optimizer.batch_size": batch} for rate, of in RAGGED.items() for batch in of
    ]
    panel = sweep.panels["main"]
    grid = panel.grids["sgd"].model_copy(update={"also": also})
    panels = {"main": panel.model_copy(update={"grids": {"sgd": grid}})}
    sweep = sweep.model_copy(update={"panels": panels})
    return arrange(sweep, make_runs(sweep, lambda grid, point, seed: 0.5))["main", "sgd"]


def test_points_beside_the_product_stand_in_the_order_of_their_axes(ragged):
    assert [tuple(point.values()) for point in ragged.points] == [
        *((8, rate) for rate in (0.25, 0.5, 1.0, 2.0)),
        *((16, rate) for rate in (0.125, 0.25, 0.5, 1.0)),
        *((32, rate) for rate in (0.125, 0.25, 0.5, 1.0)),
    ]
    assert all(run.state == "done" for at in ragged.runs for run in at)
    assert ragged.grid.values_on("optimizer.lr") == [0.125, 0.25, 0.5, 1.0, 2.0]


WHERE = {
    "last is of the file's own values": ("last", [(8, 1.0), (16, 1.0), (32, 1.0)]),
    "first, too": ("first", [(8, 0.25), (16, 0.25), (32, 0.25)]),
    "a value means added points": (2.0, [(8, 2.0)]),
    "a band, too": (Band(at_most=0.2), [(16, 0.125), (32, 0.125)]),
}


@pytest.mark.parametrize(("wanted", "points"), WHERE.values(), ids=WHERE)
def test_what_a_selection_means_beside_the_product(ragged, wanted, points):
    meant = restrict(ragged, {"optimizer.lr": wanted})
    assert [tuple(point.values()) for point in meant.points] == points


def test_a_selection_of_a_point_that_another_curve_got_is_none(ragged):
    one = restrict(ragged, {"optimizer.batch_size": 16})
    with pytest.raises(NoSuchPointError):
        restrict(one, {"optimizer.lr": 2.0})
