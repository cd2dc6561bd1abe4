"""Figures: whole files, the same bytes for the same numbers, and the numbers that were computed."""

import math
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from sgdlab.analysis.figure_series import figure_series
from sgdlab.analysis.series import FigureSeries, PanelSeries, Rule, Series
from sgdlab.errors import UserError
from sgdlab.figures.draw import caption_of, draw
from sgdlab.figures.layout import lay_out
from sgdlab.figures.legend import handles
from sgdlab.figures.page import SCREEN, page_of
from sgdlab.figures.panel import draw_panel
from sgdlab.figures.style import styled
from sgdlab.figures.text import mathtext

LR = "optimizer.lr"
GRIDS = {"plain": {LR: [0, 0.125, 0.25, 0.5, 1.0]}}


@pytest.fixture(autouse=True)
def _styled():
    """Panels that are drawn alone are in the project's style, too."""
    with styled():
        yield


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


PROGRAM = """
import pickle, sys
from pathlib import Path
from sgdlab.figures.draw import draw
from sgdlab.figures.page import page_of
for number, series in enumerate(pickle.loads(Path(sys.argv[1]).read_bytes())):
    draw(series, Path(sys.argv[2]), f"screen {number}")
    draw(series, Path(sys.argv[2]), f"paper {number}", page=page_of("icml"))
"""


def test_another_process_another_day_gives_the_same_bytes(series, heat_map, tmp_path):
    """Neither the order of hashes, nor the date, nor the process changes a byte of any format."""
    handed = tmp_path / "series"
    handed.write_bytes(pickle.dumps([series, heat_map]))
    for seed, date in ((1, "0"), (2, "1600000000")):
        environment = os.environ | {"PYTHONHASHSEED": str(seed), "SOURCE_DATE_EPOCH": date}
        command = [sys.executable, "-c", PROGRAM, str(handed), str(tmp_path / str(seed))]
        subprocess.run(command, check=True, env=environment)
    first, second = ({p.name: p.read_bytes() for p in (tmp_path / n).iterdir()} for n in "12")
    assert sorted({name.partition(".")[2] for name in first}) == ["caption.txt", "pdf", "png", "svg"]
    assert len(first) == 14
    assert first == second


def test_an_svg_holds_its_letters_as_outlines(series, tmp_path):
    """It looks the same where the font isn't installed."""
    root = ElementTree.parse(draw(series, tmp_path, "fig", ("svg",))[0]).getroot()
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert "text" not in tags
    assert "use" in tags


def test_for_a_paper_the_caption_is_beside_the_figure(series, tmp_path):
    paths = draw(series, tmp_path, "fig", page=page_of("icml"))
    assert [path.name for path in paths] == ["fig.png", "fig.pdf", "fig.svg", "fig.caption.txt"]
    assert paths[-1].read_text().splitlines() == [
        "Made up.",
        "made/up at laptop scale. Mean ± s.d. of the best 3 of 4 runs a point, ranked by test_accuracy.best.",
        "20 runs: 16 done, 4 diverged, 0 failed, 0 missing.",
        "No value, since too many runs diverged: plain at 1.",
        "Optimum: the best mean; its error bar: every x whose mean lies within one s.d. of it.",
        "Thin lines: all finite runs.",
    ]
    with styled(7):
        assert lay_out(series, page_of("icml")).texts == []


def test_a_caption_has_no_markup(series):
    hostile = replace(series, title="‖H‖_{S_n} at 2^{-6}.", caption=("ρ_{b}/η = 2^{10}",))
    assert caption_of(hostile) == "‖H‖_S_n at 2⁻⁶.\nρ_b/η = 2¹⁰.\n"


def test_a_figure_that_cannot_be_written_leaves_nothing_behind(series, tmp_path, monkeypatch):
    def fail(source, target):
        raise OSError(28, "disk full")

    monkeypatch.setattr("sgdlab.runs.files.os.replace", fail)
    with pytest.raises(UserError, match=r"the figure can't be written to .*fig.png: disk full"):
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


def test_trajectories_of_one_colour_differ_by_their_dashes():
    many = tuple(
        Series(f"{i}", "m.curve", (1, 2), (i, i), (0.1, 0.1), (None, None), "", (3, 3)) for i in range(8)
    )
    panel = PanelSeries("p", "P", "linear", many, None)
    drawn = lay_out(FigureSeries("n", "t", "trajectories", "x", "y", "linear", (panel,), ()), SCREEN)
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
    drawn = lay_out(FigureSeries("n", "t", "curves", "x", "y", "linear", (panel,), ()), SCREEN)
    assert drawn.axes[0].get_ylim() == (0.8, 1.0)


def test_an_upright_stands_at_its_x_and_has_its_label_along_it(series):
    panel = replace(series.panels[0], rules=(Rule("ε = 2/λ", x=0.5),))
    axes = Figure().add_subplot()
    draw_panel(axes, panel, series)
    assert [list(line.get_xdata()) for line in axes.lines if list(line.get_ydata()) == [0, 1]] == [[-1, -1]]
    (label,) = [text for text in axes.texts if text.get_text() == "ε = 2/λ"]
    assert label.xy[0] == -1
    assert "ε = 2/λ" not in handles(replace(series, panels=(panel,)))


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
    drawn = lay_out(optima, SCREEN)
    labels = {label.get_text() for label in drawn.axes[0].get_yticklabels()}
    assert {"$2^{-2}$", "$2^{-1}$"} <= labels
    assert "touches the edge of the grid" in [text.get_text() for text in drawn.legends[0].get_texts()]


def test_the_lines_that_a_sweep_file_compares_with_are_drawn(series):
    rules = (Rule("slope", slope=1.0, through=(1.0, 0.0)), Rule(None, x=2.0), Rule("level", y=0.0))
    panel = replace(series.panels[0], rules=rules, series=(), reference=None)
    axes = Figure().add_subplot()
    draw_panel(axes, panel, series)
    slope, upright, level = axes.lines
    assert (slope.get_xy1(), slope.get_slope()) == ((1.0, 0.0), 1.0)
    assert list(upright.get_xdata()) == [1, 1]
    assert list(level.get_ydata()) == [0, 0]
    assert len({line.get_linestyle() for line in axes.lines}) == 3


def test_points_of_a_phase_and_the_ends_of_runs_are_drawn():
    one = Series("a", "m", (0.5, 1.0), (0.2, 0.9), (None,) * 2, (None,) * 2, "", (3, 3), ends=((1.0, 0.9),))
    panel = PanelSeries("p", "P", "linear", (one,), None, x_range=(0.6, 1.3))
    axes = Figure().add_subplot()
    draw_panel(axes, panel, FigureSeries("n", "t", "phase", "x", "y", "linear", (panel,), ()))
    points, ends = axes.lines
    assert (list(points.get_xdata()), points.get_linestyle()) == ([0.5, 1.0], "None")
    assert list(ends.get_xdata()) == [1.0]
    assert axes.get_xlim() == (0.6, 1.3)
