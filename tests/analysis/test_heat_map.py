"""Cells against what was put in, and contours against the expression that they are of."""

import math

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgba

import sgdlab.figures.draw as drawing
from sgdlab.analysis.figure_series import figure_series
from sgdlab.analysis.heat_map import cell_edges
from sgdlab.figures.draw import draw
from sgdlab.figures.heat_map import CONTOUR_COLOURS
from sgdlab.figures.text import mathtext

LR, B = "optimizer.lr", "optimizer.batch_size"
SIZES, RATES = [2**k for k in range(3, 11)], [2.0**k for k in range(-8, -2)]
NUM, RHO = 8192, 2.0**-7
RHO_B = f"(1 / (({NUM} - {B}) / ({NUM} - 1) / {B} * (1 / {RHO} - 1) + 1))"
CONTOURS = [{"of": f"{RHO_B} / {LR}", "label": "ρ_{b}/η", "levels": [1, 4, 2**20]}]


@pytest.fixture
def make_map(make_sweep, make_runs):
    def build(
        value=lambda grid, point, seed: 0.7 + 0.01 * math.log2(point[B] * point[LR]) + 0.001 * seed, **drawing
    ):
        defaults = {"kind": "heat_map", "x": B, "y": LR, "colour_label": "accuracy", "contours": CONTOURS}
        sweep = make_sweep({"map": {LR: RATES, B: SIZES[::-1]}}, **{**defaults, **drawing})
        return figure_series(sweep, make_runs(sweep, value))

    return build


def test_cells_are_the_means(make_map):
    heat_map = make_map().panels[0].heat_map
    assert (heat_map.x, heat_map.y) == (tuple(SIZES), tuple(RATES))
    expected = [[0.701 + 0.01 * math.log2(b * lr) for b in SIZES] for lr in RATES]
    assert np.array(heat_map.mean) == pytest.approx(np.array(expected))
    assert np.array(heat_map.std) == pytest.approx(np.full((6, 8), 0.001))
    assert heat_map.diverged == heat_map.unfinished == ()


def test_a_contour_has_its_level_everywhere(make_map):
    figure = make_map()
    contours = figure.panels[0].heat_map.contours
    assert [contour.level for contour in contours] == [1, 4, 2**20]
    for contour in contours[:2]:
        points = np.array([point for line in contour.lines for point in line])
        b, lr = points.T
        rho_b = RHO / (RHO + (NUM - b) / (NUM - 1) / b * (1 - RHO))  # tr S_n over tr S_b
        # linear between places 7/48 of a factor of two apart: an error of (ln 2 · 7/48)²/8 = 0.13 %
        assert rho_b / lr == pytest.approx(np.full(len(b), contour.level), rel=2e-3)
        assert np.ptp(np.log2(b)) > 2
    assert contours[2].lines == ()
    assert figure.caption[-1] == "ρ_{b}/η = 2^{20} doesn't pass over the grid"


def test_cells_without_a_value(make_map, tmp_path):
    figure = make_map(lambda grid, point, seed: None if point[LR] == RATES[-1] else 0.5)
    heat_map = figure.panels[0].heat_map
    assert heat_map.diverged == tuple((b, RATES[-1]) for b in SIZES)
    assert heat_map.mean[-1] == (None,) * 8
    assert "diverged" in drawing._legend(figure)
    assert len(draw(figure, tmp_path, "map")) == 3


def test_axes_of_choices_have_cells_and_no_contours(make_sweep, make_runs, tmp_path):
    order = "optimizer.order"
    sweep = make_sweep(
        {"map": {order: ["shuffled", "fixed"], "regularizer.strength": [0, 0.5]}},
        kind="heat_map",
        x=order,
        y="regularizer.strength",
        colour_label="accuracy",
        contours=[{"of": "regularizer.strength", "label": "λ", "levels": [0.25]}],
    )
    figure = figure_series(sweep, make_runs(sweep, lambda grid, point, seed: 0.5))
    assert figure.panels[0].heat_map.x == ("shuffled", "fixed")
    assert figure.caption[-1] == "λ = 2^{-2} doesn't pass over the grid"
    assert len(draw(figure, tmp_path, "map")) == 3
    assert len(draw(figure_series(sweep, []), tmp_path, "nothing yet")) == 3


def test_cells_meet_half_way_in_log2():
    assert cell_edges((1, 4, 8)) == pytest.approx([0.5, 2, 2**2.5, 2**3.5])
    assert cell_edges((4,)) == pytest.approx([4 / math.sqrt(2), 4 * math.sqrt(2)])


def luminance(colour):
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgba(colour)[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_value_is_written_and_legible_and_nothing_overlaps(make_map):
    with matplotlib.rc_context():
        matplotlib.rcParams.update(drawing._STYLE)
        drawn = drawing._figure(make_map())
        axes, bar = drawn.axes
        values = [text for text in axes.texts if text.get_color() in ("black", "white")]
        assert len(values) == 48
        (mesh,) = axes.collections
        cell = axes.get_window_extent().width / 8
        for text, colour in zip(values, mesh.to_rgba(mesh.get_array().ravel()), strict=True):
            light, dark = sorted((luminance(text.get_color()), luminance(colour)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) > 4.5  # WCAG's contrast for text
            assert text.get_window_extent().width < cell
        levels = [text for text in axes.texts if text.get_color() == CONTOUR_COLOURS[0]]
        assert {text.get_text() for text in levels} == {"1", "4"}
        for text in levels:
            assert not text.get_window_extent().overlaps(axes.title.get_window_extent())
            assert not text.get_window_extent().overlaps(bar.get_window_extent())
        right = max(label.get_window_extent().x1 for label in [bar.yaxis.label, *bar.get_yticklabels()])
        assert right <= drawn.bbox.x1
    assert mathtext("ρ_{b}/η") in [text.get_text() for text in drawn.legends[0].get_texts()]


def test_a_cell_that_nobody_asked_for_is_empty(make_sweep, make_runs, tmp_path):
    """An extension has added one point, and with it a row."""
    sweep = make_sweep({"map": {LR: RATES, B: SIZES}}, kind="heat_map", x=B, y=LR, colour_label="accuracy")
    panel = sweep.panels["main"]
    grid = panel.grids["map"].model_copy(update={"also": [{LR: 2.0**-2, B: SIZES[0]}]})
    panels = {"main": panel.model_copy(update={"grids": {"map": grid}})}
    sweep = sweep.model_copy(update={"panels": panels})
    figure = figure_series(sweep, make_runs(sweep, lambda grid, point, seed: 0.5))
    cells = figure.panels[0].heat_map
    assert cells.y[-1] == 2.0**-2
    assert cells.mean[-1] == (0.5, *[None] * (len(SIZES) - 1))
    assert (cells.diverged, cells.unfinished) == ((), ())
    assert len(draw(figure, tmp_path, "ragged")) == 3
