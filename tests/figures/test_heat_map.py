"""The drawn map: every value and level can be read, and none stands in another's way."""

from dataclasses import replace

import pytest
from matplotlib.colors import to_rgba

from sgdlab.figures.heat_map import CONTOUR_COLOURS
from sgdlab.figures.layout import lay_out
from sgdlab.figures.legend import handles
from sgdlab.figures.page import SCREEN, page_of
from sgdlab.figures.style import styled


def luminance(colour):
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgba(colour)[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.fixture
def drawn(heat_map):
    with styled():
        figure = lay_out(heat_map, SCREEN)
        figure.draw_without_rendering()
        yield figure


def values_of(axes):
    return [text for text in axes.texts if text.get_color() in ("black", "white")]


def test_every_value_is_written_and_legible(drawn):
    (axes,) = drawn.axes
    values = values_of(axes)
    assert len(values) == 48
    (mesh,) = axes.collections
    cell = axes.get_window_extent().width / 8
    for text, colour in zip(values, mesh.to_rgba(mesh.get_array().ravel()), strict=True):
        light, dark = sorted((luminance(text.get_color()), luminance(colour)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 4.5  # WCAG's contrast for text
        assert text.get_window_extent().width < cell


def test_levels_stand_clear_of_the_title_the_colour_bar_and_one_another(drawn, heat_map):
    (axes,) = drawn.axes
    (bar,) = axes.child_axes
    levels = [text for text in axes.texts if text.get_color() in CONTOUR_COLOURS]
    assert [text.get_text() for text in levels] == ["$2^{-6}$", "$2^{-5}$", "4"]
    boxes = [text.get_window_extent() for text in levels]
    assert not boxes[0].overlaps(boxes[1])
    for box in boxes:
        assert not box.overlaps(axes.title.get_window_extent())
        assert not box.overlaps(bar.get_window_extent())
    right = max(label.get_window_extent().x1 for label in [bar.yaxis.label, *bar.get_yticklabels()])
    assert right <= drawn.bbox.x1
    assert "ρ_{b}/η" in handles(heat_map)


def test_values_that_would_be_too_small_lose_a_digit_or_are_left_to_the_colours(heat_map):
    page = page_of("60mm")
    with styled(page.text):
        (axes,) = lay_out(heat_map, page).axes
        assert values_of(axes) == []
    page = page_of("icml")
    with styled(page.text):
        (axes,) = lay_out(heat_map, page).axes
        assert all(text.get_fontsize() >= 6 for text in values_of(axes))


def test_cells_without_a_value_are_explained(heat_map):
    (panel,) = heat_map.panels
    cells = replace(panel.heat_map, diverged=((8, 2.0**-8),), unfinished=((16, 2.0**-8),))
    found = handles(replace(heat_map, panels=(replace(panel, heat_map=cells),)))
    assert {"diverged", "unfinished"} <= set(found)
