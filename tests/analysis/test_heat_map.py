"""Cells against what was put in, and contours against the expression that they are of."""

import math

import numpy as np
import pytest

from sgdlab.analysis.figure_series import figure_series
from sgdlab.analysis.heat_map import cell_edges

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


def test_cells_without_a_value(make_map):
    figure = make_map(lambda grid, point, seed: None if point[LR] == RATES[-1] else 0.5)
    heat_map = figure.panels[0].heat_map
    assert heat_map.diverged == tuple((b, RATES[-1]) for b in SIZES)
    assert heat_map.mean[-1] == (None,) * 8


def test_axes_of_choices_have_cells_and_no_contours(make_sweep, make_runs):
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


def test_cells_meet_half_way_in_log2():
    assert cell_edges((1, 4, 8)) == pytest.approx([0.5, 2, 2**2.5, 2**3.5])
    assert cell_edges((4,)) == pytest.approx([4 / math.sqrt(2), 4 * math.sqrt(2)])


def test_a_cell_that_nobody_asked_for_is_empty(make_sweep, make_runs):
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
