"""What is refused in the drawing of a sweep file."""

import pytest

PHASE = {
    "kind": "phase",
    "x": "train_loss.curve",
    "x_label": "x",
    "y_label": "y",
    "curves": [{"grid": "rate", "metric": "test_loss.curve"}],
}

REFUSED = {
    "a curve of no grid": (
        ("drawing/curves/0/grid", "rates"),
        "made.yaml: drawing.curves[0] names the grid 'rates', which panel 'main' doesn't have; "
        "its grids: rate, strength",
    ),
    "no such metric": (
        ("drawing/curves/0/metric", "accuracy.best"),
        "made.yaml: drawing.curves[0]: 'accuracy.best' is not a metric here; "
        "write NAME.best or NAME.final with NAME one of METRICS",
    ),
    "no statistic": (
        ("drawing/curves/0/metric", "test_accuracy"),
        "made.yaml: drawing.curves[0]: 'test_accuracy' is not a metric here; "
        "write NAME.best or NAME.final with NAME one of METRICS",
    ),
    "a curve over training against an axis": (
        ("drawing/curves/0/metric", "test_accuracy.curve"),
        "made.yaml: drawing.curves[0]: 'test_accuracy.curve' is not a metric here; "
        "write NAME.best or NAME.final with NAME one of METRICS",
    ),
    "the best of what is measured on request": (
        ("drawing/curves/0/metric", "c_reg.best"),
        "made.yaml: drawing.curves[0]: 'c_reg.best' would depend on how often it was measured "
        "(diagnostics=…), which two runs of one identity need not share; write c_reg.final",
    ),
    "an x that isn't there": (
        ("drawing/x", "optimizer.momentum"),
        "made.yaml: drawing.curves[0]: 'optimizer.momentum' is neither an axis of grid 'rate' nor an "
        "expression of what the sweep sets: SET",
    ),
    "an x that is no number": (
        ("drawing/curves/0/x", "data"),
        "made.yaml: drawing.curves[0]: 'data' is neither an axis of grid 'rate' nor an expression "
        "of what the sweep sets: SET",
    ),
    "split by what is no axis": (
        ("drawing/curves/0/split_by", "optimizer.batch_size"),
        "made.yaml: drawing.curves[0]: 'optimizer.batch_size' is no axis of grid 'rate'; "
        "its axes: optimizer.lr",
    ),
    "a reference line of no grid": (
        ("drawing/reference", {"grid": "zero", "metric": "test_accuracy.best"}),
        "made.yaml: drawing.reference names the grid 'zero', which panel 'main' doesn't have; "
        "its grids: rate, strength",
    ),
    "a reference line of a curve": (
        ("drawing/reference", {"grid": "rate", "metric": "test_accuracy.curve"}),
        "made.yaml: drawing.reference: 'test_accuracy.curve' is not a metric here; "
        "write NAME.best or NAME.final with NAME one of METRICS",
    ),
    "trajectories against an axis": (
        ("drawing/kind", "trajectories"),
        "made.yaml: drawing.x='optimizer.lr': trajectories are drawn against updates: write that",
    ),
    "a phase drawing against an axis": (
        ("drawing", {**PHASE, "x": "optimizer.lr"}),
        "made.yaml: drawing.x: 'optimizer.lr' is not a metric here; "
        "write NAME.curve with NAME one of METRICS",
    ),
    "a phase drawing with an optimum": (
        ("drawing", {**PHASE, "mark_optimum": True}),
        "made.yaml: drawing.mark_optimum is for kind curves, and this is phase",
    ),
    "a window of a curve against an axis": (
        ("drawing/curves/0/during", {"part": [0, 0.5]}),
        "made.yaml: drawing.curves[0].during is for kind phase, and this is curves",
    ),
    "a line of two kinds": (
        ("drawing", {**PHASE, "lines": [{"x": 1, "y": 1}]}),
        "made.yaml: drawing.lines[0]: a line needs exactly one of y, x, slope; it has y, x",
    ),
    "a slope on a log axis": (
        ("drawing", {**PHASE, "y_scale": "log", "lines": [{"slope": 1}]}),
        "made.yaml: drawing.lines: a slope is a line on linear axes; drawing.y_scale is log",
    ),
    "a drawn seed that isn't trained": (
        ("drawing", {**PHASE, "kind": "trajectories", "x": "updates", "seed": 3}),
        "made.yaml: drawing.seed=3, and protocol.num_seeds=3 are 0 … 2",
    ),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_in_a_drawing_is_one_readable_line(refusal_of, change, message):
    assert refusal_of(*change) == message


LR, B = "optimizer.lr", "optimizer.batch_size"
OPTIMA = {
    "kind": "optima",
    "x": B,
    "x_label": "B",
    "y_label": "accuracy",
    "tuned": [LR],
    "curves": [{"grid": "rate", "metric": "test_accuracy.best"}],
}
HEAT_MAP = {
    "kind": "heat_map",
    "x": B,
    "y": LR,
    "x_label": "b",
    "y_label": "η",
    "colour_label": "accuracy",
    "curves": [{"grid": "rate", "metric": "test_accuracy.best"}],
}
CURVE = OPTIMA["curves"][0]
REFUSED_OF_TWO_AXES = {
    "an axis that nothing tells apart": (
        {**OPTIMA, "kind": "curves", "tuned": []},
        "made.yaml: drawing.curves[0]: nothing tells the values of optimizer.lr apart, an axis of grid "
        "'rate'; name it in x or split_by, or tune it: kind: optima, tuned: [AXIS]",
    ),
    "optima over an axis that isn't there": (
        {**OPTIMA, "tuned": ["optimizer.momentum"]},
        "made.yaml: drawing.curves[0]: 'optimizer.momentum' is no axis of grid 'rate'; "
        "its axes: optimizer.lr, optimizer.batch_size",
    ),
    "optima along what is tuned": (
        {**OPTIMA, "x": f"{LR} / {B}"},
        "made.yaml: drawing.curves[0]: optimizer.lr is tuned, and so 'optimizer.lr / optimizer.batch_size' "
        "can't vary with it",
    ),
    "optima over nothing": (
        {**OPTIMA, "tuned": []},
        "made.yaml: drawing.tuned is missing: kind optima needs it",
    ),
    "curves that are tuned": (
        {**OPTIMA, "kind": "curves"},
        "made.yaml: drawing.tuned is for kind optima, and this is curves",
    ),
    "the optimum of a curve": (
        {**OPTIMA, "kind": "curves", "tuned": [], "curves": [{**CURVE, "optimum": LR}]},
        "made.yaml: drawing.curves[0].optimum is for kind optima, and this is curves",
    ),
    "the optimum of what isn't there": (
        {**OPTIMA, "curves": [{**CURVE, "optimum": f"{LR} / (1 - optimizer.momentum)"}]},
        "made.yaml: drawing.curves[0]: 'optimizer.lr / (1 - optimizer.momentum)' is neither an axis of grid "
        "'rate' nor an expression of what the sweep sets: SET",
    ),
    "tuned by no metric": (
        {**OPTIMA, "curves": [{**CURVE, "tuned_by": "accuracy"}]},
        "made.yaml: drawing.curves[0].tuned_by: 'accuracy' is not a metric here; "
        "write NAME.best or NAME.final with NAME one of METRICS",
    ),
    "a slope on an axis that is log2": (
        {**OPTIMA, "lines": [{"slope": 1}]},
        "made.yaml: drawing.lines: a slope is a line on linear axes; x of optima is log2",
    ),
    "a heat map without its other axis": (
        {**HEAT_MAP, "y": None},
        "made.yaml: drawing.y is missing: kind heat_map needs it",
    ),
    "a heat map of one axis twice": (
        {**HEAT_MAP, "y": B},
        "made.yaml: drawing.curves[0]: nothing tells the values of optimizer.lr apart, an axis of grid "
        "'rate'; a heat map has two axes",
    ),
    "two heat maps in one panel": (
        {**HEAT_MAP, "curves": [CURVE, CURVE]},
        "made.yaml: drawing.curves has 2 entries: a panel has one heat map",
    ),
    "contours of nothing": (
        {**HEAT_MAP, "contours": [{"of": f"rho * {B}", "label": "ρ_b", "levels": [1]}]},
        "made.yaml: drawing.curves[0]: 'rho * optimizer.batch_size' is neither an axis of grid 'rate' nor an "
        "expression of what the sweep sets: SET",
    ),
    "contours without levels": (
        {**HEAT_MAP, "contours": [{"of": B, "label": "b", "levels": []}]},
        "made.yaml: drawing.contours[0].levels is empty",
    ),
    "contours at levels that are no numbers": (
        {**HEAT_MAP, "contours": [{"of": B, "label": "b", "levels": "pow2(3, 1)"}]},
        "made.yaml: drawing.contours[0].levels='pow2(3, 1)': pow2(3, 1, 1) has no points: "
        "write pow2(low, high), low ≤ high",
    ),
}


@pytest.mark.parametrize(("drawing", "message"), REFUSED_OF_TWO_AXES.values(), ids=REFUSED_OF_TWO_AXES)
def test_what_is_wrong_in_a_drawing_of_two_axes_is_one_readable_line(small, refusal_of, drawing, message):
    small["grids"]["rate"]["axes"][B] = [8, 16]
    assert refusal_of("drawing", drawing) == message


@pytest.mark.parametrize("drawing", [OPTIMA, HEAT_MAP], ids=["optima", "heat map"])
def test_what_they_are_changed_from_is_drawn(load, small, drawing):
    small["grids"]["rate"]["axes"][B] = [8, 16]
    small["drawing"] = drawing
    assert load(small).drawing.kind == drawing["kind"]
