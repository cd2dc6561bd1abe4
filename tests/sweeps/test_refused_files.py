"""What is refused in a sweep file, in one line: the file, the key, what is wrong, what would be right."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sgdlab.errors import UsageError
from sgdlab.sweeps.expand import expand
from sgdlab.sweeps.files import find_sweep

PANELS = {
    "digits": {"title": "digits (real)", "base": {"data.num_train": 128}},
    "mnist1d": {"base": {"data": "mnist1d"}},
}


def at(path, value):
    """Return a change of the small sweep: set a value at a path of keys, or remove it."""

    def change(content):
        *parents, last = path.split("/")
        for parent in parents:
            content = content[int(parent) if isinstance(content, list) else parent]
        if value is None:
            del content[last]
        else:
            content[int(last) if isinstance(content, list) else last] = value

    return change


GAIN = {
    "kind": "gain",
    "says": "It rises.",
    "metric": "test_accuracy.best",
    "start": {"grid": "rate", "at": "first"},
    "to": {"grid": "rate", "at": "optimum"},
    "expect": {"above": 0},
}
COLLAPSE = {
    "kind": "collapse",
    "says": "They collapse.",
    "metric": "test_accuracy.best",
    "grid": "rate",
    "curves": "optimizer.lr",
    "axis": "optimizer.lr",
    "rival": "optimizer.lr * 2",
    "expect": {"below": 1},
}
METRICS = (
    "test_accuracy, train_accuracy, test_loss, train_loss, train_cost, c_reg, gradient_norm_sq, "
    "or what landscape=measured adds (docs/diagnostics.md)"
)
SET = "budget.num_epochs, data, data.num_train, optimizer.batch_size, optimizer.lr"
CURVE = "drawing/curves/0"

REFUSED = {
    "unknown key": (
        at("bases", {}),
        "made.yaml: bases is not a key (did you mean base?); known here: base, claims, drawing, extends, "
        "figure, grids, notes, paper, protocol, scales, symbols, title, y_range",
    ),
    "unknown key of a scale": (
        at("scales/laptop", {"extends": "x"}),
        "made.yaml: scales.laptop: extends is not a key; known here: base, claims, default_panels, drawing, "
        "figure, grids, notes, panels, paper, protocol, symbols, title, y_range",
    ),
    "unknown key of a panel": (
        at("scales/laptop", {"panels": {"digits": {"bases": {}}}}),
        "made.yaml: scales.laptop.panels.digits: bases is not a key (did you mean base?); "
        "known here: base, grids, symbols, title, y_range",
    ),
    "unknown key of a grid": (
        at("grids/rate/axis", {}),
        "made.yaml: grids.rate.axis is not a key (did you mean grids.rate.axes?); "
        "known here: axes, coupled, fixed, label",
    ),
    "missing": (at("figure", None), "made.yaml: figure is missing"),
    "wrong type": (
        at("base", ["data"]),
        "made.yaml: base must be a mapping of names to values, and is ['data']",
    ),
    "wrong type of a list": (at("claims", {}), "made.yaml: claims must be a list, and is {}"),
    "a grid that is none": (
        at("grids/rate", 3),
        "made.yaml: grids.rate=3: input should be a mapping of names to values",
    ),
    "out of range": (
        at("protocol/num_seeds", 0),
        "made.yaml: protocol.num_seeds=0: input should be greater than or equal to 1",
    ),
    "keep more than there are": (
        at("protocol/keep", 4),
        "made.yaml: protocol.keep=4 is more than protocol.num_seeds=3",
    ),
    "ranked by a curve": (
        at("protocol/rank_by", "test_accuracy.curve"),
        "made.yaml: protocol.rank_by: 'test_accuracy.curve' is not a metric here; "
        f"write NAME.best or NAME.final with NAME one of {METRICS}",
    ),
    "no grid": (at("grids", {}), "made.yaml: grids is empty"),
    "an axis without points": (
        at("grids/rate/axes/optimizer.lr", []),
        "made.yaml: grids.rate.axes.optimizer.lr is empty",
    ),
    "no axis": (at("grids/rate/axes", {}), "made.yaml: grids.rate.axes is empty"),
    "an axis upside down": (
        at("grids/rate/axes/optimizer.lr", "pow2(-3, -9)"),
        "made.yaml: grids.rate.axes.optimizer.lr='pow2(-3, -9)': pow2(-3, -9, 1) has no points: "
        "write pow2(low, high), low ≤ high",
    ),
    "an axis that is no expression": (
        at("grids/rate/axes/optimizer.lr", "pow3(-9, -3)"),
        "made.yaml: grids.rate.axes.optimizer.lr='pow3(-9, -3)': 'pow3(-9, -3)' is not a number or an "
        "expression such as 2**-6, 1/32 or pow2(-9, -3)",
    ),
    "a point twice": (
        at("grids/rate/axes/optimizer.lr", ["2**-5", 0.03125]),
        "made.yaml: grids.rate.axes.optimizer.lr=['2**-5', 0.03125]: 2**-5 comes twice",
    ),
    "an axis that is fixed": (
        at("grids/rate/fixed", {"optimizer.lr": 1}),
        "made.yaml: grids.rate: optimizer.lr is both an axis and fixed",
    ),
    "an axis that is coupled": (
        at("grids/rate/coupled", {"optimizer.lr": "1"}),
        "made.yaml: grids.rate: optimizer.lr is both coupled and an axis",
    ),
    "a curve of no grid": (
        at(f"{CURVE}/grid", "rates"),
        "made.yaml: drawing.curves[0] names the grid 'rates', which panel 'main' doesn't have; "
        "its grids: rate, strength",
    ),
    "no such metric": (
        at(f"{CURVE}/metric", "accuracy.best"),
        "made.yaml: drawing.curves[0]: 'accuracy.best' is not a metric here; "
        f"write NAME.best or NAME.final with NAME one of {METRICS}",
    ),
    "no statistic": (
        at(f"{CURVE}/metric", "test_accuracy"),
        "made.yaml: drawing.curves[0]: 'test_accuracy' is not a metric here; "
        f"write NAME.best or NAME.final with NAME one of {METRICS}",
    ),
    "a curve over training against an axis": (
        at(f"{CURVE}/metric", "test_accuracy.curve"),
        "made.yaml: drawing.curves[0]: 'test_accuracy.curve' is not a metric here; "
        f"write NAME.best or NAME.final with NAME one of {METRICS}",
    ),
    "the best of what is measured on request": (
        at(f"{CURVE}/metric", "c_reg.best"),
        "made.yaml: drawing.curves[0]: 'c_reg.best' would depend on how often it was measured "
        "(diagnostics=…), which two runs of one identity need not share; write c_reg.final",
    ),
    "an x that isn't there": (
        at("drawing/x", "optimizer.momentum"),
        "made.yaml: drawing.curves[0]: 'optimizer.momentum' is neither an axis of grid 'rate' nor an "
        f"expression of what the sweep sets: {SET}",
    ),
    "an x that is no number": (
        at(f"{CURVE}/x", "data"),
        "made.yaml: drawing.curves[0]: 'data' is neither an axis of grid 'rate' nor an expression "
        f"of what the sweep sets: {SET}",
    ),
    "split by what is no axis": (
        at(f"{CURVE}/split_by", "optimizer.batch_size"),
        "made.yaml: drawing.curves[0]: 'optimizer.batch_size' is no axis of grid 'rate'; "
        "its axes: optimizer.lr",
    ),
    "a reference line of no grid": (
        at("drawing/reference", {"grid": "zero", "metric": "test_accuracy.best"}),
        "made.yaml: drawing.reference names the grid 'zero', which panel 'main' doesn't have; "
        "its grids: rate, strength",
    ),
    "a reference line of a curve": (
        at("drawing/reference", {"grid": "rate", "metric": "test_accuracy.curve"}),
        "made.yaml: drawing.reference: 'test_accuracy.curve' is not a metric here; "
        f"write NAME.best or NAME.final with NAME one of {METRICS}",
    ),
    "trajectories against an axis": (
        at("drawing/kind", "trajectories"),
        "made.yaml: drawing.x='optimizer.lr': trajectories are drawn against updates: write that",
    ),
    "a claim about no grid": (
        at("claims", [{**GAIN, "to": {"grid": "rates", "at": "optimum"}}]),
        "made.yaml: claims[0].to names the grid 'rates', which panel 'main' doesn't have; "
        "its grids: rate, strength",
    ),
    "a claim about a curve over training": (
        at("claims", [GAIN, {**GAIN, "metric": "test_loss.curve"}]),
        "made.yaml: claims[1].start: 'test_loss.curve' is not a metric here; "
        f"write NAME.best or NAME.final with NAME one of {METRICS}",
    ),
    "a claim of no kind": (
        at("claims", [{**GAIN, "kind": "gains"}]),
        "made.yaml: claims[0].kind=gains: "
        "allowed are 'gain', 'optimum_ratio', 'trend', 'difference', 'collapse'",
    ),
    "a claim that expects nothing": (
        at("claims", [{**GAIN, "expect": {}}]),
        "made.yaml: claims[0].expect: expect needs exactly one of above, below, within; it has none",
    ),
    "a claim about no panel": (
        at("claims", [{**GAIN, "panels": ["digit"]}]),
        "made.yaml: claims[0].panels names 'digit', which no scale has; known here: main",
    ),
    "a collapse of what is no axis": (
        at("claims", [{**COLLAPSE, "curves": "optimizer.inner_steps"}]),
        "made.yaml: claims[0]: 'optimizer.inner_steps' is no axis of grid 'rate'; its axes: optimizer.lr",
    ),
    "a collapse against nothing": (
        at("claims", [{**COLLAPSE, "rival": "optimizer.lr * n"}]),
        "made.yaml: claims[0]: 'optimizer.lr * n' is neither an axis of grid 'rate' nor an expression of what"
        f" the sweep sets: {SET}",
    ),
    "a default panel that isn't there": (
        at("scales/laptop", {"panels": PANELS, "default_panels": ["digit"]}),
        "made.yaml: scales.laptop.default_panels names 'digit'; panels: digits, mnist1d",
    ),
    "a symbol that isn't there": (
        at("title", "${symbols.name}"),
        "made.yaml: Interpolation key 'symbols.name' not found; symbols are read as ${symbols.name}",
    ),
    "extends nothing": (
        at("extends", "_nothing.yaml"),
        "made.yaml: extends names _nothing.yaml, and there is no such file beside it",
    ),
    "extends itself": (
        at("extends", "made.yaml"),
        "made.yaml: extends names made.yaml, which extends this file in turn",
    ),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_in_a_file_is_one_readable_line(load, small, change, message):
    change(small)
    with pytest.raises(UsageError) as refused:
        load(small)
    assert str(refused.value) == message


def test_an_unknown_scale_names_those_there_are(load, small):
    with pytest.raises(UsageError, match=r"^made.yaml: no scale 'papper'; it has laptop$"):
        load(small, scale="papper")


def test_a_claim_may_speak_of_a_panel_that_this_command_leaves_out(load, small):
    small["claims"] = [{**GAIN, "panels": ["digits"]}]
    small["scales"] = {"paper": {}, "laptop": {"panels": PANELS}}
    assert load(small, scale="paper").claims
    assert list(load(small, "data=mnist1d").panels) == ["mnist1d"]
    small["claims"][0]["panels"] = ["digit"]
    with pytest.raises(UsageError, match=r"claims\[0\].panels names 'digit', .*did you mean digits\?"):
        load(small)


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


JUNK = st.sampled_from(
    [None, 3, -1.5, True, "x", "${symbols.x}", "", "pow2(1)", [], [None], {}, {"a": 1}, {1: 2}]
)


def places(node, path=()):
    yield path
    if isinstance(node, dict | list):
        for key, below in node.items() if isinstance(node, dict) else enumerate(node):
            yield from places(below, (*path, key))


@given(st.data())
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_written_in_a_file_no_other_error_escapes(load, composer, data):
    content = json.loads((Path(__file__).parent / "every_key.json").read_text())
    path = data.draw(st.sampled_from(list(places(content))[1:]))
    inside = content
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = data.draw(JUNK)
    try:
        sweep = load(content)
        list(expand(sweep, composer))
    except UsageError as refused:
        says = str(refused)
        assert says.startswith("made.yaml")
