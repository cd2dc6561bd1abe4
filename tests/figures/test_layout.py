"""What the figures of real sweeps look like, measured on the drawn figure: all text is large enough, inside
the picture, and clear of all other text.
"""

from dataclasses import replace
from itertools import combinations, pairwise

import pytest
from matplotlib.text import Text

from sgdlab.figures.layout import lay_out
from sgdlab.figures.page import SCREEN, page_of
from sgdlab.figures.style import styled

SWEEPS = [
    "smith2021/fig1b",  # curves, two panels, optima and a reference
    "smith2020/fig3c",  # optima between powers of two
    "lssr2022/fig3",  # points, an upright with its label
    "lssr2022/fig4abc",  # trajectories, three panels
    "lssr2022/fig5right",  # a heat map with contours
]
PAGES = {"screen": SCREEN, "icml": page_of("icml"), "neurips": page_of("neurips")}
SMALLEST, SMALLEST_IN_A_CELL = 6.5, 6.0  # points
TOUCHING = 0.5  # points that boxes, which have air around the letters, may share


def texts_of(figure) -> list[Text]:
    """All text that is seen; values in the cells of a heat map are apart."""
    seen = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    bars = [bar for axes in figure.axes for bar in axes.child_axes]
    for axes in [*figure.axes, *bars]:
        seen += [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            low, high = sorted(limits)
            ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
            seen += [axis.get_offset_text(), *(tick.label1 for tick in ticks), *(t.label2 for t in ticks)]
    return [text for text in seen if text.get_text().strip() and text.get_visible()]


def is_value(text) -> bool:
    return text.get_color() in ("black", "white") and text.axes is not None and text in text.axes.texts


def box_of(text, figure):
    box, shrink = text.get_window_extent(), TOUCHING * figure.dpi / 72
    return box.padded(-shrink / 2)


@pytest.fixture(scope="module", params=SWEEPS)
def series(request, shipped):
    return shipped(request.param)


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_all_text_is_legible_inside_and_clear_of_other_text(series, page):
    with styled(page.text):
        figure = lay_out(series, page)
        figure.draw_without_rendering()
    if page.width is not None:
        assert figure.get_figwidth() == pytest.approx(page.width)
    texts = texts_of(figure)
    assert len(texts) > 10
    for text in texts:
        assert text.get_fontsize() >= (SMALLEST_IN_A_CELL if is_value(text) else SMALLEST), text
        box = box_of(text, figure)
        assert figure.bbox.x0 <= box.x0, text
        assert box.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= box.y0, text
        assert box.y1 <= figure.bbox.y1, text
    for one, other in combinations(texts, 2):
        assert not box_of(one, figure).overlaps(box_of(other, figure)), (one, other)


def test_panels_side_by_side_don_t_touch_and_share_their_height(shipped):
    page = PAGES["neurips"]
    with styled(page.text):
        figure = lay_out(shipped("lssr2022/fig4abc"), page)
        boxes = [axes.get_tightbbox() for axes in figure.axes]
        sizes = {tuple(axes.get_window_extent().size.round(3)) for axes in figure.axes}
    assert len(boxes) == 3
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
    assert len(sizes) == 1


@pytest.mark.parametrize("venue", ["icml", "neurips", "icml-wide", "60mm"])
def test_long_labels_are_broken_and_stay_inside(shipped, venue):
    series = shipped("smith2021/fig1b")
    long = "a label that goes on and on, of a curve with ε = 2^{-9}, λ = 2^{-3} and n = 4"
    panel = series.panels[0]
    curves = tuple(replace(panel.series[0], label=f"{long}, {i}") for i in range(4))
    panel = replace(panel, series=curves, title=long)
    wide = replace(series, panels=(panel,) * 3, x_label=long, y_label=long, caption=(long * 3,))
    page = page_of(venue)
    with styled(page.text):
        figure = lay_out(wide, page)
        figure.draw_without_rendering()
        for text in texts_of(figure):
            assert figure.bbox.x0 <= box_of(text, figure).x0, text
            assert box_of(text, figure).x1 <= figure.bbox.x1, text
