"""Sweep files: found, merged, overridden; and what is refused in them, with its message."""

import pytest
import yaml

from sgdlab.config.folders import shipped_folder
from sgdlab.errors import UsageError
from sgdlab.sweeps.expand import expand
from sgdlab.sweeps.files import describe_sweeps, load_sweep
from sgdlab.sweeps.finding import find_sweep, list_sweeps, names_meant_by
from sgdlab.sweeps.raw import files_read

PANELS = {
    "digits": {"title": "digits (real)", "base": {"data.num_train": 128}},
    "mnist1d": {"base": {"data": "mnist1d"}},
}


def rates(sweep, panel="main", grid="rate"):
    return sweep.panels[panel].grids[grid].axes["optimizer.lr"]


# ---- the shipped sweeps --------------------------------------------------------------------------------

SHIPPED = [(described.name, scale) for described in describe_sweeps() for scale in described.scales]


@pytest.mark.parametrize(("name", "scale"), SHIPPED, ids=lambda value: str(value))
def test_every_shipped_sweep_expands_at_every_scale(composer, name, scale):
    sweep = load_sweep(find_sweep(name), scale, composer, {})
    rows = list(expand(sweep, composer))
    num_points = 0
    for panel in sweep.panels.values():
        for grid in panel.grids.values():
            num_points_of_grid = 1
            for values in grid.axes.values():
                num_points_of_grid *= len(values)
            num_points += num_points_of_grid
    assert len(rows) == num_points * sweep.protocol.num_seeds
    assert sweep.claims
    assert {row.seed for row in rows} == set(range(sweep.protocol.num_seeds))


def test_figure_1b_of_the_paper_is_ten_million_updates_a_run(composer):
    sweep = load_sweep(find_sweep("smith2021/fig1b"), "paper", composer, {})
    rows = list(expand(sweep, composer))
    # ε and λ on 2**-12 … 2**-3, and λ = 0 at ε = 2**-9, which is a point of the first curve; 7 seeds each
    assert len(rows) == (10 + 10 + 1) * 7
    assert len({row.key for row in rows}) == (10 + 10) * 7
    assert {row.run.num_updates for row in rows} == {10**7}
    assert {(row.run.data.kind, row.run.model.kind) for row in rows} == {("cifar10", "wide_resnet")}
    assert (sweep.protocol.keep, sweep.protocol.num_seeds) == (5, 7)


# ---- finding -------------------------------------------------------------------------------------------


def test_files_that_are_only_extended_are_not_listed():
    names = [sweep.name for sweep in list_sweeps()]
    assert "smith2021/fig1b" in names
    assert not [name for name in names if "/_" in name]


def test_ones_own_sweeps_come_first(tmp_path, monkeypatch, small):
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "sweeps" / "smith2021" / "fig1b.yaml"
    own.parent.mkdir(parents=True)
    own.write_text(yaml.safe_dump({**small, "title": "My own"}))
    assert find_sweep("smith2021/fig1b").path == own
    assert [d.title for d in describe_sweeps() if d.name == "smith2021/fig1b"] == ["My own"]
    assert find_sweep("smith2021/fig1c").path.is_relative_to(shipped_folder("sweeps"))


def test_a_folder_names_all_its_sweeps():
    names = [sweep.name for sweep in list_sweeps()]
    assert names_meant_by("roberts2018") == [name for name in names if name.startswith("roberts2018/")]
    assert len(names_meant_by("smith2021/")) > 5
    assert names_meant_by("smith2021/fig1b") == ["smith2021/fig1b"]
    assert names_meant_by("smith") == ["smith"]


def test_a_path_names_a_sweep_too(tmp_path, monkeypatch):
    listed = next(list_sweeps())
    assert find_sweep(str(listed.path)) == listed
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere.yaml").write_text("paper: x\n")
    found = find_sweep("./elsewhere.yaml")
    assert (found.name, found.shown) == ("elsewhere", "./elsewhere.yaml")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fig1b", "there is no sweep 'fig1b'; did you mean smith2021/fig1b? `sgdlab list` shows all of them"),
        ("%%%", "there is no sweep '%%%'; `sgdlab list` shows all of them"),
        ("nowhere.yaml", "nowhere.yaml: there is no such sweep file"),
    ],
)
def test_an_unknown_sweep_is_answered_with_the_nearest(name, message):
    with pytest.raises(UsageError) as refused:
        find_sweep(name)
    assert str(refused.value) == message


# ---- merging -------------------------------------------------------------------------------------------


def test_a_scale_is_a_patch_and_a_panel_a_patch_over_it(load, small):
    small["symbols"] = {"low": -4, "rates": "pow2(${symbols.low}, -2)"}
    small["grids"]["rate"]["axes"]["optimizer.lr"] = "${symbols.rates}"
    small["base"]["loss.l2"] = 1e-3
    small["scales"] = {
        "paper": None,
        "laptop": {
            "symbols": {"low": -3},
            "protocol": {"num_seeds": 5},
            "panels": {
                "digits": {"title": "digits (real)", "base": {"data.num_train": 128}},
                "wide": {"symbols": {"rates": [0.5]}, "grids": {"strength": {"label": "other"}}},
            },
        },
    }
    paper, laptop = load(small, scale="paper"), load(small)
    assert list(paper.panels) == ["main"]
    assert paper.panels["main"].title == ""
    assert rates(paper) == [2**-4, 2**-3, 2**-2]
    assert (paper.protocol.num_seeds, laptop.protocol.num_seeds, laptop.protocol.keep) == (3, 5, 2)
    assert [panel.title for panel in laptop.panels.values()] == ["digits (real)", "wide"]
    assert rates(laptop, "digits") == [2**-3, 2**-2]
    assert rates(laptop, "wide") == [0.5]
    assert laptop.panels["digits"].base == {**small["base"], "data.num_train": 128}
    assert laptop.panels["wide"].grids["strength"].label == "other"
    assert laptop.panels["digits"].grids["strength"].label == "λ"


def test_lists_are_replaced_as_a_whole(load, small):
    small["notes"] = ["a", "b"]
    small["scales"]["laptop"] = {"notes": ["c"]}
    assert load(small).notes == ["c"]


def test_a_file_extends_another_beside_it(load, small, tmp_path):
    (tmp_path / "_below.yaml").write_text(yaml.safe_dump(small))
    (tmp_path / "_between.yaml").write_text("extends: _below.yaml\nprotocol: {num_seeds: 9}\n")
    above = {"extends": "_between.yaml", "title": "Above", "base": {"data.num_train": 32}}
    sweep = load(above)
    assert (sweep.title, sweep.protocol.num_seeds, sweep.protocol.keep) == ("Above", 9, 2)
    assert sweep.panels["main"].base == {**small["base"], "data.num_train": 32}


def test_of_several_extended_files_each_patches_the_one_before_it(load, small, tmp_path):
    (tmp_path / "_lowest.yaml").write_text("protocol: {num_seeds: 8, keep: 7}\n")
    (tmp_path / "_low.yaml").write_text(
        yaml.safe_dump({**small, "extends": "_lowest.yaml", "protocol": {"keep": 2}})
    )
    (tmp_path / "_high.yaml").write_text("title: High\nprotocol: {num_seeds: 9}\nnotes: [high]\n")
    sweep = load({"extends": ["_low.yaml", "_high.yaml"], "notes": ["own"]})
    assert (sweep.title, sweep.notes) == ("High", ["own"])
    assert (sweep.protocol.num_seeds, sweep.protocol.keep) == (9, 2)
    read = files_read(tmp_path / "made.yaml", "made.yaml")
    assert {path.name for path in read} == {"made.yaml", "_low.yaml", "_lowest.yaml", "_high.yaml"}


# ---- overriding ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("override", ["optimizer.lr=2**-6,2**-5", "optimizer.lr=0.015625,1/32"])
def test_an_override_replaces_an_axis(load, small, override):
    sweep = load(small, override)
    assert rates(sweep) == [2**-6, 2**-5]
    # what another grid fixes on that axis is what it stands for
    assert sweep.panels["main"].grids["strength"].fixed["optimizer.lr"] == "2**-4"


def test_one_value_makes_an_axis_of_one_point(load, small):
    assert rates(load(small, "optimizer.lr=2**-6")) == [2**-6]


def test_a_single_point_is_replaced_only_where_no_grid_has_more(load, small):
    small["grids"]["zero"] = {
        "label": "λ = 0",
        "fixed": {"regularizer": "gradient_norm"},
        "axes": {"regularizer.strength": [0]},
    }
    grids = load(small, "regularizer.strength=1,2").panels["main"].grids
    assert grids["strength"].axes["regularizer.strength"] == [1, 2]
    assert grids["zero"].axes["regularizer.strength"] == [0]
    del small["grids"]["strength"]
    grids = load(small, "regularizer.strength=1,2").panels["main"].grids
    assert grids["zero"].axes["regularizer.strength"] == [1, 2]


def test_any_other_override_goes_into_every_base(load, small, composer):
    sweep = load(small, "optimizer.batch_size=4", "schedule=hold_then_decay", "schedule.factor=3")
    runs = [row.run for row in expand(sweep, composer)]
    assert {run.optimizer.batch_size for run in runs} == {4}
    assert {run.schedule.factor for run in runs} == {3.0}


def test_an_override_reaches_what_a_grid_fixes(load, small, composer):
    small["grids"]["strength"]["fixed"]["loss.l2"] = 0.5
    runs = [row.run for row in expand(load(small, "loss.l2=0.25"), composer)]
    assert {run.loss.l2 for run in runs} == {0.25}


@pytest.mark.parametrize(
    "overrides", [("data=mnist1d", "data.num_train=32"), ("data.num_train=32", "data=mnist1d")]
)
def test_another_option_drops_what_was_set_for_the_old_one_but_nothing_given_with_it(load, small, overrides):
    small["base"]["data.num_test"] = 50
    base = load(small, *overrides).panels["main"].base
    assert (base["data"], base["data.num_train"]) == ("mnist1d", 32)
    assert "data.num_test" not in base
    assert base["optimizer.batch_size"] == 8


def test_the_protocol_is_overridden(load, small):
    assert load(small, "protocol.num_seeds=9", "protocol.keep=4").protocol.num_seeds == 9


def test_data_picks_panels(load, small):
    small["scales"]["laptop"] = {"panels": PANELS, "default_panels": ["digits"]}
    assert list(load(small).panels) == ["digits"]
    assert list(load(small, "data=mnist1d").panels) == ["mnist1d"]
    both = load(small, "data=mnist1d,digits", "data.num_train=16")
    assert [(name, panel.base["data"]) for name, panel in both.panels.items()] == [
        ("mnist1d", "mnist1d"),
        ("digits", "digits"),
    ]
    assert {panel.base["data.num_train"] for panel in both.panels.values()} == {16}


def test_data_without_a_panel_gets_one_that_bears_its_name(load, small, composer):
    small["scales"]["laptop"] = {"panels": PANELS}
    sweep = load(small, "data=mnist")
    assert [(name, panel.title) for name, panel in sweep.panels.items()] == [("mnist", "mnist")]
    (data,) = {row.run.data for row in expand(sweep, composer)}
    assert (data.kind, data.num_train) == ("mnist", 60_000)  # num_train: 64 was said of digits


def test_messages_say_what_was_overridden(load, small, composer):
    sweep = load(small, "optimizer.batch_size=-1", "optimizer.lr=1,2")
    with pytest.raises(UsageError) as refused:
        list(expand(sweep, composer))
    assert str(refused.value) == (
        "made.yaml with optimizer.batch_size=-1 optimizer.lr=1,2: scale laptop, grid rate: "
        "optimizer.batch_size=-1: input should be greater than or equal to 1"
    )


OVERRIDES = {
    "optimizer.batch_size=4,8": (
        "optimizer.batch_size is no axis of this sweep: give one value; its axes: optimizer.lr, "
        "regularizer.strength"
    ),
    "optimizer.lr=2**-6,1/64": "command line: optimizer.lr=['2**-6', '1/64']: 2**-6 comes twice",
    "protocol.keep=9": "command line: protocol.keep=9 is more than protocol.num_seeds=3",
    "protocol.keep=x": "command line: protocol.keep='x': input should be a whole number, such as 16 or 2**4",
    "protocol.sees=9": (
        "command line: protocol.sees is not a key (did you mean protocol.seeds?); "
        "known here: first, keep, num_seeds, rank_by, seeds, step"
    ),
    "protocol.seeds=9": "command line: protocol.seeds=9: input should be 'all', 'claims' or 'halving'",
    "protocol.first=3": "command line: protocol.first is for protocol.seeds=claims or halving",
    "budget.num_epochs=3": "budget.num_epochs can't be set: grid rate computes it, as 2 * data.num_train",
}


@pytest.mark.parametrize(("override", "message"), OVERRIDES.items(), ids=OVERRIDES)
def test_an_override_that_fits_nothing_is_refused(load, small, override, message):
    small["grids"]["rate"]["coupled"] = {"budget.num_epochs": "2 * data.num_train"}
    with pytest.raises(UsageError) as refused:
        load(small, override)
    assert str(refused.value) == message
