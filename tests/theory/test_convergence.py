"""Error curves: what is found, and what is drawn of them."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from sgdlab.analysis.series import FigureSeries
from sgdlab.figures.panel import draw_panel
from sgdlab.sweeps.claims import Expectation
from sgdlab.theory.check import Finding
from sgdlab.theory.convergence import ErrorCurve, big_o, convergence_panel

STEPS = tuple(2.0**k for k in range(-9, -4))


def error_curve(order, scale=1.0, label="measured"):
    return ErrorCurve(label, "It shrinks.", order, STEPS, tuple(scale * step**order for step in STEPS))


def test_an_error_curve_is_judged_by_its_order():
    assert error_curve(3).finding.verdict == "supported"
    wrong = ErrorCurve("measured", "It shrinks.", 3, STEPS, error_curve(2).errors)
    assert wrong.finding.verdict == "not supported"


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [((0.9, 1.1), "supported"), ((0.9, 1.3), "inconclusive"), ((1.3, 1.4), "not supported")],
)
def test_a_finding_is_judged_as_a_claim_is(interval, verdict):
    assert Finding("", 1.0, interval, Expectation(within=(0.8, 1.2))).verdict == verdict


def test_a_number_is_written_with_its_interval():
    expect = Expectation(above=0)
    assert Finding("", 2.98234, (2.96, 3.01), expect).measured == "2.982 [2.96, 3.01]"
    assert Finding("", 1e-16, (1e-16, 1e-16), expect).measured == "1e-16, exact"


def test_orders_are_written_as_people_do():
    assert [big_o(1), big_o(3), big_o(12, "m")] == ["O(ε)", "O(ε³)", "O(m¹²)"]


def test_each_order_has_one_line_of_its_slope_below_the_lowest_of_its_curves():
    curves = [error_curve(2, 1.0, "a"), error_curve(2, 0.1, "b"), error_curve(3, 1.0, "c")]
    panel = convergence_panel("P", curves, x_label="batches", y_label="error")
    assert [line.order for line in panel.order_lines] == [2, 3]
    axes = Figure().add_subplot()
    draw_panel(axes, panel, FigureSeries("n", "t", "curves", "x", "y", "log", (panel,), ()))
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) == ("batches", "error", "log")
    assert sorted(text.get_text() for text in axes.texts) == ["order 2", "order 3"]
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    for line, order, lowest in zip(dashed, (2, 3), (curves[1], curves[2]), strict=True):
        x, y = line.get_data()
        np.testing.assert_allclose(x, [-9, -5])
        assert np.diff(np.log2(y)) / np.diff(x) == pytest.approx(order)
        assert y[1] < lowest.errors[-1]
    bottom, _ = axes.get_ylim()
    assert bottom < min(min(line.get_ydata()) for line in dashed)


def test_a_falling_line_is_labelled_at_its_lower_end():
    panel = convergence_panel("P", [error_curve(-1)])
    axes = Figure().add_subplot()
    draw_panel(axes, panel, FigureSeries("n", "t", "curves", "x", "y", "log", (panel,), ()))
    (label,) = axes.texts
    assert label.get_text() == "order −1"
    assert label.xy == pytest.approx((-5, 0.4 * 2**5))
