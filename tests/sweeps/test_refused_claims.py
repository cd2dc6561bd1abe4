"""What is refused among the claims of a sweep file."""

import pytest

from sgdlab.errors import UsageError

PANELS = {
    "digits": {"title": "digits (real)", "base": {"data.num_train": 128}},
    "mnist1d": {"base": {"data": "mnist1d"}},
}

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
LEVEL = {
    "kind": "level",
    "says": "It hovers.",
    "metric": "instability.curve",
    "grid": "rate",
    "expect": {"within": [0.9, 1.1]},
}

REFUSED = {
    "a claim about no grid": (
        ("claims", [{**GAIN, "to": {"grid": "rates", "at": "optimum"}}]),
        "made.yaml: claims[0].to names the grid 'rates', which panel 'main' doesn't have; "
        "its grids: rate, strength",
    ),
    "a claim about a curve over training": (
        ("claims", [GAIN, {**GAIN, "metric": "test_loss.curve"}]),
        "made.yaml: claims[1].start: 'test_loss.curve' is not a metric here; "
        "write NAME.best or NAME.final with NAME one of METRICS",
    ),
    "a claim of no kind": (
        ("claims", [{**GAIN, "kind": "gains"}]),
        "made.yaml: claims[0].kind=gains: "
        "allowed are 'gain', 'optimum_ratio', 'trend', 'difference', 'collapse', 'agreement', "
        "'scaling', 'order', 'spread', 'level', 'slope', 'share'",
    ),
    "a claim of an unknown source": (
        ("claims", [{**GAIN, "source": "lost"}]),
        "made.yaml: claims[0].source='lost': input should be 'at hand' or 'missing'",
    ),
    "a claim that expects nothing": (
        ("claims", [{**GAIN, "expect": {}}]),
        "made.yaml: claims[0].expect: expect needs exactly one of above, below, within; it has none",
    ),
    "a claim about no panel": (
        ("claims", [{**GAIN, "panels": ["digit"]}]),
        "made.yaml: claims[0].panels names 'digit', which no scale has; known here: main",
    ),
    "a collapse of what is no axis": (
        ("claims", [{**COLLAPSE, "curves": "optimizer.inner_steps"}]),
        "made.yaml: claims[0]: 'optimizer.inner_steps' is no axis of grid 'rate'; its axes: optimizer.lr",
    ),
    "a collapse against nothing": (
        ("claims", [{**COLLAPSE, "rival": "optimizer.lr * n"}]),
        "made.yaml: claims[0]: 'optimizer.lr * n' is neither an axis of grid 'rate' nor an expression of what"
        " the sweep sets: SET",
    ),
    "a claim about what the runs don't measure": (
        ("claims", [LEVEL]),
        "made.yaml: claims[0].metric speaks of instability, which the runs of grid 'rate' don't measure: "
        "set landscape to measured, and have interaction among landscape.quantities",
    ),
    "a claim over training about a summary": (
        ("claims", [{**LEVEL, "metric": "instability.final"}]),
        "made.yaml: claims[0].metric: 'instability.final' is not a metric here; "
        "write NAME.curve with NAME one of METRICS",
    ),
    "a window by no metric": (
        ("claims", [{**LEVEL, "during": {"where": [{"metric": "sharpnes.curve", "above": 1}]}}]),
        "made.yaml: claims[0].during.where[0]: 'sharpnes.curve' is not a metric here; "
        "write NAME.curve with NAME one of METRICS",
    ),
    "a condition of both kinds": (
        ("claims", [{**LEVEL, "during": {"after": {"metric": "sharpness.curve", "above": 1, "below": 2}}}]),
        "made.yaml: claims[0].during.after: a condition on sharpness.curve needs exactly one of "
        "above and below",
    ),
    "a part of training that is empty": (
        ("claims", [{**LEVEL, "during": {"part": [0.5, 0.5]}}]),
        "made.yaml: claims[0].during: part=[0.5, 0.5] holds no evaluation: write [start, end], start < end",
    ),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_in_a_claim_is_one_readable_line(refusal_of, change, message):
    assert refusal_of(*change) == message


LR, B = "optimizer.lr", "optimizer.batch_size"
SCALING = {
    "kind": "scaling",
    "says": "It is proportional.",
    "grid": "rate",
    "metric": "test_accuracy.best",
    "optimum": LR,
    "along": B,
    "tuned": [LR],
    "expect": {"within": [0.5, 1.5]},
}
ORDER = {**SCALING, "kind": "order"}
del ORDER["optimum"]
AGREEMENT = {
    "kind": "agreement",
    "says": "It is what theory says.",
    "grid": "rate",
    "metric": "test_loss.final",
    "predicted": f"2 * {LR}",
    "expect": {"below": 1},
}
RATIO = {
    "kind": "optimum_ratio",
    "says": "They differ.",
    "of": {"grid": "rate", "metric": "test_accuracy.best", "where": {B: "last"}},
    "over": {"grid": "rate", "metric": "test_accuracy.best", "where": {B: "first"}},
    "expect": {"above": 0},
}
TUNED_GAIN = {
    **GAIN,
    "start": {"grid": "rate", "at": "optimum", "where": {B: 8}},
    "to": {"grid": "rate", "at": "optimum", "where": {B: {"at_least": 16}}},
}
REFUSED_OF_TWO_AXES = {
    "a first point of two axes": (
        GAIN,
        "made.yaml: claims[0].start needs one axis, and grid 'rate' sweeps optimizer.lr, "
        "optimizer.batch_size: name a value of the others with where, or make one grid for each curve",
    ),
    "a place that the axis doesn't have": (
        {**TUNED_GAIN, "start": {"grid": "rate", "at": "optimum", "where": {B: 32}}},
        "made.yaml: claims[0].start: grid 'rate' has no point with optimizer.batch_size=32; it has 8, 16",
    ),
    "a place on no axis": (
        {**TUNED_GAIN, "start": {"grid": "rate", "at": "optimum", "where": {"optimizer.momentum": 0.9}}},
        "made.yaml: claims[0].start: 'optimizer.momentum' is no axis of grid 'rate'; "
        "its axes: optimizer.lr, optimizer.batch_size",
    ),
    "a band of no form": (
        {**TUNED_GAIN, "start": {"grid": "rate", "at": "optimum", "where": {B: {"from": 8}}}},
        "made.yaml: claims[0].start.where.optimizer.batch_size: "
        "write a value, first, last, or {at_least: LOW, at_most: HIGH}",
    ),
    "an optimum on which axis": (
        {**RATIO, "of": {"grid": "rate", "metric": "test_accuracy.best"}},
        "made.yaml: claims[0].of needs one axis, and grid 'rate' sweeps optimizer.lr, optimizer.batch_size: "
        "name a value of the others with where, or make one grid for each curve",
    ),
    "an axis that is neither tuned nor gone along": (
        {**SCALING, "tuned": ["optimizer.inner_steps"]},
        "made.yaml: claims[0]: 'optimizer.inner_steps' is no axis of grid 'rate'; "
        "its axes: optimizer.lr, optimizer.batch_size",
    ),
    "an axis that is both": (
        {**SCALING, "tuned": [LR, B]},
        "made.yaml: claims[0]: along: optimizer.batch_size is tuned, too",
    ),
    "nothing that is tuned": ({**ORDER, "tuned": []}, "made.yaml: claims[0].tuned is empty"),
    "a prediction of nothing": (
        {**AGREEMENT, "predicted": "2 / sharpness"},
        "made.yaml: claims[0]: '2 / sharpness' is neither an axis of grid 'rate' nor an expression of what "
        "the sweep sets: SET",
    ),
}


@pytest.mark.parametrize(("claim", "message"), REFUSED_OF_TWO_AXES.values(), ids=REFUSED_OF_TWO_AXES)
def test_what_is_wrong_in_a_claim_about_two_axes_is_one_readable_line(small, refusal_of, claim, message):
    small["grids"]["rate"]["axes"][B] = [8, 16]
    small["drawing"]["curves"][0]["split_by"] = B
    assert refusal_of("claims", [claim]) == message


def test_an_axis_that_a_scaling_leaves_over_is_refused(small, refusal_of):
    small["grids"]["rate"]["axes"] |= {B: [8, 16], "optimizer.inner_steps": [1, 2]}
    small["drawing"] |= {"kind": "optima", "tuned": [LR], "x": B}
    small["drawing"]["curves"][0]["split_by"] = "optimizer.inner_steps"
    assert refusal_of("claims", [SCALING]) == (
        "made.yaml: claims[0]: nothing tells the values of optimizer.inner_steps apart, an axis of grid "
        "'rate'; tune it, or name its value with where"
    )


def test_what_they_are_changed_from_is_claimed(load, small):
    small["grids"]["rate"]["axes"][B] = [8, 16]
    small["drawing"]["curves"][0]["split_by"] = B
    small["claims"] = [SCALING, ORDER, AGREEMENT, RATIO, TUNED_GAIN]
    assert len(load(small).claims) == 5


def test_a_claim_about_the_landscape_needs_the_quantity_that_has_its_metric(load, small):
    small["claims"] = [LEVEL]
    small["base"] |= {"landscape": "measured", "landscape.quantities": ["noise", "sharpness"]}
    with pytest.raises(UsageError, match=r"don't measure: .* have interaction among landscape.quantities"):
        load(small)
    small["base"]["landscape.quantities"] = ["noise", "interaction"]
    assert load(small).claims
    with pytest.raises(
        UsageError, match=r"^made.yaml with landscape=none: claims.0..metric speaks of instability"
    ):
        load(small, "landscape=none")


def test_a_claim_may_speak_of_a_panel_that_this_command_leaves_out(load, small):
    small["claims"] = [{**GAIN, "panels": ["digits"]}]
    small["scales"] = {"paper": {}, "laptop": {"panels": PANELS}}
    assert load(small, scale="paper").claims
    assert list(load(small, "data=mnist1d").panels) == ["mnist1d"]
    small["claims"][0]["panels"] = ["digit"]
    with pytest.raises(UsageError, match=r"claims\[0\].panels names 'digit', .*did you mean digits\?"):
        load(small)
