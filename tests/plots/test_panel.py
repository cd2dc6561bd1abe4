"""The drawn numbers; plotly's own validation is the judge of the figure's form."""

import math
from dataclasses import replace

import plotly.graph_objects as go
import pytest

from sgdlab.analysis.series import (
    Contour,
    FigureSeries,
    HeatMap,
    OptimumMark,
    PanelSeries,
    Reference,
    Rule,
    Series,
)
from sgdlab.plots.axes import MAX_TICKS
from sgdlab.plots.panel import plot_of
from sgdlab.plots.text import scripts

CURVE = Series(
    label="SGD",
    metric="test_accuracy.best",
    x=(0.0, 2.0**-5, 2.0**-4, 0.3, 1.0),
    mean=(0.50, 0.60, 0.70, None, None),
    std=(0.01, 0.02, None, None, None),
    unselected=(0.49, 0.59, 0.69, None, None),
    unselected_rule="all finite runs",
    num_done=(7, 7, 6, 5, 0),
    diverged_x=(1.0,),
    unfinished_x=(0.3,),
    optimum=OptimumMark(x=(2.0**-4,), y=0.70, bar=(2.0**-5, 2.0**-4), at_edge=False),
)


def figure(*series: Series, x_scale="log2", kind="curves", y_scale="linear", reference=None) -> FigureSeries:
    panel = PanelSeries("main", "Title", x_scale, series, reference)
    return FigureSeries("a/b", "Title", kind, "λ", "test accuracy", y_scale, (panel,), ())


def plot(*series: Series, **changes) -> dict:
    drawn = figure(*series, **changes)
    made = plot_of(drawn.panels[0], drawn)
    go.Figure(made)  # plotly refuses what it doesn't know
    return made


def test_numbers_stand_at_their_log2_and_zero_left_of_them():
    main = plot(CURVE)["data"][0]
    assert main["x"] == pytest.approx([-6, -5, -4, -1.7369655941662063, 0])
    assert main["y"] == [0.50, 0.60, 0.70, None, None]
    assert main["error_y"]["array"] == [0.01, 0.02, None, None, None]


def test_ticks_are_powers_of_two():
    axis = plot(CURVE)["layout"]["xaxis"]
    assert axis["tickvals"] == [-6, -5, -4, -3, -2, -1, 0]
    assert axis["ticktext"][:2] == ["0", "2<sup>−5</sup>"]
    assert axis["ticktext"][-1] == "2<sup>0</sup>"


def test_a_wide_axis_has_room_for_its_ticks():
    wide = replace(
        CURVE, x=tuple(2.0**k for k in (-20, -10, 0, 3, 9)), optimum=None, diverged_x=(), unfinished_x=()
    )
    axis = plot(wide)["layout"]["xaxis"]
    assert len(axis["tickvals"]) <= MAX_TICKS
    assert axis["tickvals"] == list(range(-20, 10, 4))


def test_the_pointer_shows_n_and_values():
    hover = plot(CURVE)["data"][0]["hovertext"]
    assert hover[1] == (
        "SGD<br>λ = 2<sup>−5</sup><br>test accuracy = 0.6 ± 0.02<br>n = 7 runs done<br>0.59: all finite runs"
    )
    assert hover[2].split("<br>")[2] == "test accuracy = 0.7"
    assert hover[3].split("<br>")[1:] == ["λ = 0.3", "test accuracy = no value", "n = 5 runs done"]


def test_optimum_diverged_unfinished_and_unselected_are_drawn_apart():
    _, ring, bar, cross, diamond, thin = plot(CURVE)["data"]
    assert (ring["x"], ring["y"]) == ([-4], [0.70])
    assert (bar["x"], bar["y"]) == ([-5, -4], [0.70, 0.70])
    assert (cross["x"], cross["y"], cross["marker"]["symbol"]) == ([0], [0.49], "x")
    assert diamond["marker"]["symbol"] == "diamond-open"
    assert diamond["hovertext"] == ["SGD<br>0.3: unfinished"]
    assert thin["y"] == [0.49, 0.59, 0.69, None, None]


def test_curves_differ_by_more_than_colour():
    plain = replace(CURVE, optimum=None, diverged_x=(), unfinished_x=(), unselected_rule="")
    many = [replace(plain, label=f"curve {index}") for index in range(10)]
    data = plot(*many)["data"]
    looks = [(trace["meta"]["colour"], trace["marker"]["symbol"], trace["line"]["dash"]) for trace in data]
    assert len(set(looks)) == len({look[1:] for look in looks}) == 10


def test_a_trajectory_has_a_band_on_a_linear_axis():
    path = Series(
        "ε", "train_loss.curve", (10, 20, 30), (3.0, 2.0, None), (0.5, 0.25, None), (None,) * 3, "", (5,) * 3
    )
    made = plot(path, kind="trajectories", x_scale="linear", y_scale="log")
    low, high, line = made["data"]
    assert (low["x"], low["y"], high["y"]) == ([10, 20], [2.5, 1.75], [3.5, 2.25])
    assert high["fill"] == "tonexty"
    assert (line["mode"], line["x"]) == ("lines", [10, 20, 30])
    assert made["layout"]["yaxis"]["type"] == "log"


def test_a_phase_drawing_is_points_ends_and_lines():
    cloud = Series(
        "GD", "m.curve", (0.5, 2.0), (-0.5, 0.25), (None,) * 2, (None,) * 2, "", (5, 5), ends=((2.0, 0.25),)
    )
    drawn = figure(cloud, kind="phase", x_scale="linear")
    rules = (Rule("quadratic", slope=2.0, through=(1.0, 0.0)), Rule(None, x=1.0), Rule("zero", y=0.0))
    panel = replace(drawn.panels[0], rules=rules, x_range=(0.0, 3.0))
    made = plot_of(panel, replace(drawn, panels=(panel,)))
    go.Figure(made)
    points, ends, slope, upright, level = made["data"]
    assert (points["mode"], points["x"], points["y"]) == ("markers", [0.5, 2.0], [-0.5, 0.25])
    assert (ends["x"], ends["y"]) == ([2.0], [0.25])
    assert (slope["x"], slope["y"], slope["showlegend"]) == ([0.0, 3.0], [-2.0, 4.0], True)
    assert (upright["x"], upright["y"], upright["showlegend"]) == ([1.0, 1.0], [-0.5, 0.25], False)
    assert (level["x"], level["y"], level["name"]) == ([0.0, 3.0], [0.0, 0.0], "zero")
    assert made["layout"]["xaxis"]["range"] == [0.0, 3.0]


def test_lines_of_a_panel_without_points_are_left_out():
    nothing = Series("GD", "m.curve", (), (), (), (), "", ())
    drawn = figure(nothing, kind="phase", x_scale="linear")
    panel = replace(drawn.panels[0], rules=(Rule("quadratic", slope=2.0),))
    assert plot_of(panel, drawn)["data"] == []


def test_choices_stand_side_by_side():
    orders = Series("SGD", "m.best", ("shuffled", "fixed"), (0.5, 0.6), (0.1, 0.1), (None,) * 2, "", (5, 5))
    made = plot(orders, x_scale="choices")
    assert made["data"][0]["x"] == [0, 1]
    assert made["layout"]["xaxis"]["ticktext"] == ["shuffled", "fixed"]


def test_the_reference_spans_the_panel():
    line = plot(CURVE, reference=Reference("SGD at ε = 2^{-9}", 0.54, None))["data"][-1]
    assert (line["x"], line["y"]) == ([-6, 0], [0.54, 0.54])
    assert line["name"] == "SGD at ε = 2<sup>−9</sup>"


def test_a_panel_without_any_value_can_be_drawn():
    nothing = replace(CURVE, mean=(None,) * 5, std=(None,) * 5, optimum=None)
    assert [trace["y"] for trace in plot(nothing)["data"]][1:3] == [[0.0], [0.0]]


def test_plotly_gets_no_html_and_no_template():
    made = plot(replace(CURVE, label='<a href="javascript:x">%{y}</a>'))["data"][0]
    assert made["name"] == '&lt;a href="javascript:x"&gt;%&#123;y}&lt;/a&gt;'
    assert made["hovertext"][0].startswith(made["name"] + "<br>")


def test_scripts_are_those_of_labels():
    assert scripts("ε = 2^{-6}, n = 2^{11}") == "ε = 2<sup>−6</sup>, n = 2<sup>11</sup>"
    assert scripts("‖H‖_{S_n}") == "‖H‖<sub>S_n</sub>"


def test_a_panels_range_of_y_is_the_axis_s():
    for y_scale, expected in (("linear", [0.1, 0.65]), ("log", [-1.0, math.log10(0.65)])):
        drawn = figure(CURVE, y_scale=y_scale)
        panel = replace(drawn.panels[0], y_range=(0.1, 0.65))
        made = plot_of(panel, replace(drawn, panels=(panel,)))
        assert made["layout"]["yaxis"]["range"] == pytest.approx(expected)
    assert "range" not in plot(CURVE)["layout"]["yaxis"]


def test_optima_have_error_bars_of_two_lengths_and_rings_at_the_edge():
    one = Series(
        label="SGD",
        metric="test_accuracy.best",
        x=(8, 16),
        mean=(0.25, None),
        std=(None, None),
        unselected=(None, None),
        unselected_rule="",
        num_done=(7, 0),
        bars=((0.125, 0.25), None),
        at_edge_x=(8,),
    )
    made = plot(one, kind="optima", y_scale="log2")
    main, ring = made["data"]
    assert (main["error_y"]["arrayminus"], main["error_y"]["array"]) == ([0.125, 0.0], [0.0, 0.0])
    assert "0.25, from 0.125 to 0.25" in main["hovertext"][0]
    assert (ring["x"], ring["y"]) == ([3], [0.25])
    axis = made["layout"]["yaxis"]
    assert axis["type"] == "log"
    assert axis["tickvals"] == [0.125, 0.25]


def test_a_heat_map_has_cells_contours_and_all_numbers_under_the_pointer():
    cells = HeatMap(
        metric="test_accuracy.best",
        colour_label="accuracy",
        x=(8, 16),
        y=(0.25, 0.5, 1.0),
        mean=((0.5, 0.6), (0.7, None), (None, 0.9)),
        std=((0.01, None), (0.02, None), (None, 0.03)),
        num_done=((3, 3), (3, 0), (1, 3)),
        diverged=((16, 0.5),),
        unfinished=((8, 1.0),),
        contours=(Contour("b/η", 32.0, (((8, 0.25), (16, 0.5)), ((16, 1.0),))), Contour("b/η", 9.0, ())),
    )
    panel = PanelSeries("main", "Title", "linear", (), None, heat_map=cells)
    drawn = FigureSeries("a/b", "Title", "heat_map", "b", "η", "linear", (panel,), ())
    made = plot_of(panel, drawn)
    go.Figure(made)
    heat, contour = made["data"]
    assert (heat["x"], heat["y"]) == ([3, 4], [-2, -1, 0])
    assert heat["z"] == [[0.5, 0.6], [0.7, None], [None, 0.9]]
    assert (
        heat["hovertext"][0][0] == "b = 8<br>η = 2<sup>−2</sup><br>accuracy = 0.5 ± 0.01<br>n = 3 runs done"
    )
    assert "accuracy = diverged" in heat["hovertext"][1][1]
    assert "accuracy = unfinished" in heat["hovertext"][2][0]
    assert (contour["x"], contour["y"]) == ([3, 4, None, 4, None], [-2, -1, None, 0, None])
    assert made["layout"]["xaxis"]["ticktext"] == ["8", "16"]


def test_an_upright_stands_at_its_log2():
    drawn = figure(CURVE)
    panel = replace(drawn.panels[0], rules=(Rule("critical", x=0.5),))
    (rule,) = [trace for trace in plot_of(panel, drawn)["data"] if trace["name"] == "critical"]
    assert rule["x"] == [-1, -1]
    assert rule["line"]["dash"] == "dash"
