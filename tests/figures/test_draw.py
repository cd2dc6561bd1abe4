"""Figures: whole files, the same bytes for the same numbers, and the numbers that were computed."""

import math
from dataclasses import replace
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

import sgdlab.figures.draw as drawing
from sgdlab.analysis.figure_series import figure_series
from sgdlab.analysis.series import FigureSeries, PanelSeries, Rule, Series
from sgdlab.figures.draw import draw
from sgdlab.figures.panel import draw_panel
from sgdlab.figures.text import mathtext

LR = "optimizer.lr"
GRIDS = {"plain": {LR: [0, 0.125, 0.25, 0.5, 1.0]}}


@pytest.fixture
def series(make_sweep, make_runs):
    sweep = make_sweep(
        GRIDS,
        num_seeds=4,
        keep=3,
        mark_optimum=True,
        reference={"grid": "plain", "metric": "test_accuracy.best"},
    )

    def value(grid, point, seed):
        return None if point[LR] == 1 else 0.6 - (point[LR] - 0.25) ** 2 + 0.01 * seed

    return figure_series(sweep, make_runs(sweep, value))


def test_three_formats_and_nothing_else(series, tmp_path):
    paths = draw(series, tmp_path / "figures", "smith2021/fig1b")
    folder = tmp_path / "figures" / "smith2021"
    assert paths == [folder / f"fig1b.{suffix}" for suffix in ("png", "pdf", "svg")]
    assert sorted(folder.iterdir()) == sorted(paths)
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    assert b"/FontFile2" in paths[1].read_bytes()  # TrueType, embedded
    assert b"CreationDate" not in paths[1].read_bytes()
    assert ElementTree.parse(paths[2]).getroot().tag.endswith("svg")


def test_the_same_numbers_give_the_same_bytes_whatever_the_session_has_set(series, tmp_path, monkeypatch):
    first = [path.read_bytes() for path in draw(series, tmp_path, "first")]
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 30.0)
    second = [path.read_bytes() for path in draw(series, tmp_path, "second")]
    assert first == second
    assert matplotlib.rcParams["font.size"] == 30.0  # and the session's own setting is left alone


def test_a_figure_that_cannot_be_written_leaves_nothing_behind(series, tmp_path, monkeypatch):
    def fail(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(drawing.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        draw(series, tmp_path, "fig")
    assert list(tmp_path.iterdir()) == []


def test_the_drawn_numbers_are_the_computed_ones(series):
    axes = Figure().add_subplot()
    draw_panel(axes, series.panels[0], series)
    (one,) = series.panels[0].series
    drawn = axes.containers[0].lines[0]
    x, y = (np.asarray(values, float) for values in drawn.get_data())
    zero = math.log2(0.125) - 1.5  # zero stands left of the smallest positive value, unconnected
    expected = [one.mean[0], math.nan, *one.mean[1:4], math.nan]
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(x, [zero, math.nan, -3, -2, -1, 0])
    bars = axes.containers[0].lines[2][0].get_segments()
    assert bars[2][:, 1] == pytest.approx([one.mean[1] - one.std[1], one.mean[1] + one.std[1]])
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["0", "$2^{-3}$", "$2^{-2}$", "$2^{-1}$", "$2^{0}$"]
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    assert crosses[0].get_xdata() == [0.0]
    assert axes.get_title() == "main"


def made(series, **changes):
    panel = PanelSeries("p", "P", changes.pop("x_scale", "log2"), series, None)
    return FigureSeries(
        "n", "t", "curves", "x", "y", changes.pop("y_scale", "linear"), (panel,), ("caption",)
    )


@pytest.mark.parametrize(
    "figure",
    [
        made(()),
        made(
            (Series("a", "m", (0.5, 1.0), (None, None), (None, None), (None, None), "", (0, 0), (0.5, 1.0)),)
        ),
        made(
            (Series("a", "m", (0.5, 1.0), (1e-6, 1.0), (2e-6, None), (None, None), "", (3, 3)),),
            y_scale="log",
        ),
        made(
            (Series("a", "m", ("x", "y"), (1.0, 2.0), (0.1, 0.1), (None, None), "", (3, 3)),),
            x_scale="choices",
        ),
        made(tuple(Series(f"{i}", "m", (2.0**i,), (1.0,), (0.1,), (None,), "", (3,)) for i in range(-20, 0))),
    ],
    ids=["nothing", "all diverged", "log y, bar below zero", "choices", "more curves than colours"],
)
def test_odd_figures_are_drawn(figure, tmp_path):
    assert len(draw(figure, tmp_path, "odd")) == 3


def test_a_legend_is_as_wide_as_the_figure_at_most(series, tmp_path):
    """Measured on the drawn figure, since the layout goes by an estimate of a character's width."""
    panel = series.panels[0]
    for num_panels in (1, 2, 3):
        for label in ("ε", "λ = 0, ε varies", "a label that is rather long, ε = 2^{-9}"):
            many = tuple(replace(panel.series[0], label=f"{label} {i}") for i in range(6))
            wide = replace(series, panels=(replace(panel, series=many),) * num_panels)
            figure = drawing._figure(wide)
            extent = figure.legends[0].get_window_extent()
            assert extent.x0 >= 0
            assert extent.x1 <= figure.bbox.x1
            assert extent.y0 >= max(text.get_window_extent().y1 for text in figure.texts)


def test_trajectories_of_one_colour_differ_by_their_dashes():
    many = tuple(
        Series(f"{i}", "m.curve", (1, 2), (i, i), (0.1, 0.1), (None, None), "", (3, 3)) for i in range(8)
    )
    panel = PanelSeries("p", "P", "linear", many, None)
    drawn = drawing._figure(FigureSeries("n", "t", "trajectories", "x", "y", "linear", (panel,), ()))
    lines = [line for line in drawn.axes[0].lines if line.get_linewidth() == 1.4]
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 8
    handles = drawn.legends[0].get_lines()
    assert [line.get_linestyle() for line in handles] == [line.get_linestyle() for line in lines]


def test_powers_of_two_are_superscripts():
    assert mathtext("ε = 2^{-9}, λ varies") == "ε = $2^{-9}$, λ varies"
    assert mathtext("‖H‖_{S_n} · η/2") == "‖H‖$_{S_n}$ · η/2"
    assert mathtext("$C_{reg}$ 2^{-9}") == "$C_{reg}$ 2^{-9}"


def test_a_panels_range_of_y_is_drawn():
    one = Series("a", "m", (0.5, 1.0), (0.2, 0.9), (0.1, 0.1), (None, None), "", (3, 3))
    panel = PanelSeries("p", "P", "log2", (one,), None, y_range=(0.8, 1.0))
    drawn = drawing._figure(FigureSeries("n", "t", "curves", "x", "y", "linear", (panel,), ()))
    assert drawn.axes[0].get_ylim() == (0.8, 1.0)


def test_an_upright_stands_at_its_x_and_has_its_label_along_it(series):
    panel = replace(series.panels[0], rules=(Rule("ε = 2/λ", x=0.5),))
    axes = Figure().add_subplot()
    draw_panel(axes, panel, series)
    assert [list(line.get_xdata()) for line in axes.lines if list(line.get_ydata()) == [0, 1]] == [[-1, -1]]
    (label,) = [text for text in axes.texts if text.get_text() == "ε = 2/λ"]
    assert label.xy[0] == -1
    assert "ε = 2/λ" not in drawing._legend(replace(series, panels=(panel,)))


@pytest.fixture
def optima():
    """Two curves of optima that coincide, one with its error bar at the edge."""
    bars = ((0.25, 0.5), (0.5, 1.0))
    one = Series("a", "m", (8, 16), (0.25, 0.5), (None, None), (None, None), "", (3, 3), bars=bars)
    other = replace(one, label="b", at_edge_x=(16,))
    panel = PanelSeries("p", "P", "log2", (one, other), None)
    return FigureSeries("n", "t", "optima", "B", "ε", "log2", (panel,), ())


def test_optima_have_their_own_error_bars_and_stand_side_by_side(optima):
    axes = Figure().add_subplot()
    draw_panel(axes, optima.panels[0], optima)
    first, second = axes.containers
    assert first.lines[0].get_ydata() == pytest.approx([0.25, 0.5])
    bars = first.lines[2][0].get_segments()
    assert [list(bar[:, 1]) for bar in bars] == [pytest.approx([0.25, 0.5]), pytest.approx([0.5, 1.0])]
    apart = np.subtract(second.lines[0].get_xdata(), first.lines[0].get_xdata())
    assert apart == pytest.approx([0.09, 0.09])
    assert np.add(second.lines[0].get_xdata(), first.lines[0].get_xdata()) / 2 == pytest.approx([3, 4])
    rings = [line for line in axes.lines if line.get_markersize() == 10 and len(line.get_xdata())]
    assert [list(ring.get_ydata()) for ring in rings] == [[0.5]]


def test_a_log2_axis_is_labelled_with_powers_and_a_ring_is_explained(optima):
    drawn = drawing._figure(optima)
    labels = {label.get_text() for label in drawn.axes[0].get_yticklabels()}
    assert {"$2^{-2}$", "$2^{-1}$"} <= labels
    assert "touches the edge of the grid" in [text.get_text() for text in drawn.legends[0].get_texts()]
