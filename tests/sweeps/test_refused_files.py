"""What is refused in a sweep file, in one line: the file, the key, what is wrong, what would be right."""

import pytest

from sgdlab.errors import UsageError
from sgdlab.sweeps.finding import find_sweep

PANELS = {
    "digits": {"title": "digits (real)", "base": {"data.num_train": 128}},
    "mnist1d": {"base": {"data": "mnist1d"}},
}

REFUSED = {
    "unknown key": (
        ("bases", {}),
        "made.yaml: bases is not a key (did you mean base?); known here: base, claims, drawing, extend, "
        "extends, figure, grids, notes, paper, protocol, scales, symbols, title, x_range, y_range",
    ),
    "unknown key of a scale": (
        ("scales/laptop", {"extends": "x"}),
        "made.yaml: scales.laptop: extends is not a key (did you mean extend?); known here: base, claims, "
        "default_panels, drawing, extend, figure, grids, notes, panels, paper, protocol, "
        "symbols, title, x_range, y_range",
    ),
    "unknown key of a panel": (
        ("scales/laptop", {"panels": {"digits": {"bases": {}}}}),
        "made.yaml: scales.laptop.panels.digits: bases is not a key (did you mean base?); "
        "known here: base, grids, symbols, title, x_range, y_range",
    ),
    "unknown key of a grid": (
        ("grids/rate/axis", {}),
        "made.yaml: grids.rate.axis is not a key (did you mean grids.rate.axes?); "
        "known here: also, axes, coupled, fixed, label",
    ),
    "missing": (("figure", None), "made.yaml: figure is missing"),
    "wrong type": (
        ("base", ["data"]),
        "made.yaml: base must be a mapping of names to values, and is ['data']",
    ),
    "wrong type of a list": (("claims", {}), "made.yaml: claims must be a list, and is {}"),
    "a grid that is none": (
        ("grids/rate", 3),
        "made.yaml: grids.rate=3: input should be a mapping of names to values",
    ),
    "out of range": (
        ("protocol/num_seeds", 0),
        "made.yaml: protocol.num_seeds=0: input should be greater than or equal to 1",
    ),
    "keep more than there are": (
        ("protocol/keep", 4),
        "made.yaml: protocol.keep=4 is more than protocol.num_seeds=3",
    ),
    "ranked by a curve": (
        ("protocol/rank_by", "test_accuracy.curve"),
        "made.yaml: protocol.rank_by: 'test_accuracy.curve' is not a metric here; "
        "write NAME.best or NAME.final with NAME one of METRICS",
    ),
    "no grid": (("grids", {}), "made.yaml: grids is empty"),
    "an axis without points": (
        ("grids/rate/axes/optimizer.lr", []),
        "made.yaml: grids.rate.axes.optimizer.lr is empty",
    ),
    "no axis": (("grids/rate/axes", {}), "made.yaml: grids.rate.axes is empty"),
    "an axis upside down": (
        ("grids/rate/axes/optimizer.lr", "pow2(-3, -9)"),
        "made.yaml: grids.rate.axes.optimizer.lr='pow2(-3, -9)': pow2(-3, -9, 1) has no points: "
        "write pow2(low, high), low ≤ high",
    ),
    "an axis that is no expression": (
        ("grids/rate/axes/optimizer.lr", "pow3(-9, -3)"),
        "made.yaml: grids.rate.axes.optimizer.lr='pow3(-9, -3)': 'pow3(-9, -3)' is not a number or an "
        "expression such as 2**-6, 1/32 or pow2(-9, -3)",
    ),
    "a point twice": (
        ("grids/rate/axes/optimizer.lr", ["2**-5", 0.03125]),
        "made.yaml: grids.rate.axes.optimizer.lr=['2**-5', 0.03125]: 2**-5 comes twice",
    ),
    "an axis that is fixed": (
        ("grids/rate/fixed", {"optimizer.lr": 1}),
        "made.yaml: grids.rate: optimizer.lr is both an axis and fixed",
    ),
    "an axis that is coupled": (
        ("grids/rate/coupled", {"optimizer.lr": "1"}),
        "made.yaml: grids.rate: optimizer.lr is both coupled and an axis",
    ),
    "a default panel that isn't there": (
        ("scales/laptop", {"panels": PANELS, "default_panels": ["digit"]}),
        "made.yaml: scales.laptop.default_panels names 'digit'; panels: digits, mnist1d",
    ),
    "a symbol that isn't there": (
        ("title", "${symbols.name}"),
        "made.yaml: Interpolation key 'symbols.name' not found; symbols are read as ${symbols.name}",
    ),
    "extends nothing": (
        ("extends", "_nothing.yaml"),
        "made.yaml: extends names _nothing.yaml, and there is no such file beside it",
    ),
    "extends itself": (
        ("extends", "made.yaml"),
        "made.yaml: extends names made.yaml, which extends this file in turn",
    ),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_in_a_file_is_one_readable_line(refusal_of, change, message):
    assert refusal_of(*change) == message


def test_an_unknown_scale_names_those_there_are(load, small):
    with pytest.raises(UsageError, match=r"^made.yaml: no scale 'papper'; it has laptop$"):
        load(small, scale="papper")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("paper: [x\n", r"^made.yaml: not readable as YAML: .*line 2"),
        ("a: 1\na: 2\n", r"^made.yaml: not readable as YAML: .*found duplicate key a"),
        ("- 1\n", r"^made.yaml: a sweep file is a mapping with paper, figure, base, grids, drawing, scales"),
        ("3\n", r"^made.yaml: "),
        ("", r"^made.yaml: no scale 'laptop'; it has none"),
        ("base: ${\n", r"^made.yaml: "),
    ],
)
def test_what_is_no_sweep_file_is_one_readable_line(load, text, message):
    with pytest.raises(UsageError, match=message) as refused:
        load(text)
    assert "\n" not in str(refused.value)


def test_a_folder_is_no_file(composer, tmp_path):
    (tmp_path / "x.yaml").mkdir()
    with pytest.raises(UsageError, match="there is no such sweep file"):
        find_sweep(str(tmp_path / "x.yaml"))
