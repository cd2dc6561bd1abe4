"""Colours told apart without red, green or blue cones, by distances that an independent library measures."""

from itertools import combinations

import matplotlib
import numpy as np
import pytest
from colorspacious import cspace_convert, deltaE
from matplotlib.colors import to_rgb

from sgdlab.figures.heat_map import CONTOUR_COLOURS
from sgdlab.figures.style import COLOURS, CURVE, DASHES, MARKERS, in_proportion, styled, trajectory_dash

NOT_TO_BE_MISTAKEN = 10.0  # in CAM02-UCS, where 1 is just noticeable side by side


def seen(colour, deficiency):
    """How somebody without the cones sees a colour (Machado et al. 2009, at full severity), in sRGB."""
    space = {"name": "sRGB1+CVD", "cvd_type": deficiency, "severity": 100}
    return np.clip(cspace_convert(to_rgb(colour), space, "sRGB1"), 0, 1)


def nearest(colours, deficiency):
    return min(
        deltaE(seen(a, deficiency), seen(b, deficiency), input_space="sRGB1")
        for a, b in combinations(colours, 2)
    )


@pytest.mark.parametrize("deficiency", ["deuteranomaly", "protanomaly", "tritanomaly"])
@pytest.mark.parametrize("colours", [COLOURS, CONTOUR_COLOURS], ids=["curves", "contours"])
def test_no_two_colours_look_alike_to_the_colour_blind(colours, deficiency):
    assert nearest(colours, deficiency) > NOT_TO_BE_MISTAKEN


def test_the_measure_would_notice():
    """Matplotlib's own red and green are apart, and alike without green cones."""
    red_and_green = ("#d62728", "#2ca02c")
    assert deltaE(*map(to_rgb, red_and_green), input_space="sRGB1") > 40
    assert nearest(red_and_green, "deuteranomaly") < NOT_TO_BE_MISTAKEN


def test_markers_and_dashes_repeat_the_distinction():
    assert len(set(MARKERS)) == len(MARKERS) >= len(COLOURS)
    looks = [(COLOURS[i % len(COLOURS)], trajectory_dash(i)) for i in range(len(COLOURS) * len(DASHES))]
    assert len(set(looks)) == len(looks)


def test_marks_shrink_with_the_text():
    with styled(9):
        assert in_proportion(CURVE) == CURVE
    with styled(4.5):
        assert in_proportion({**CURVE, "alpha": 0.5}) == {"linewidth": 0.65, "markersize": 2, "alpha": 0.5}


def test_a_style_ends_where_it_is_left():
    before = dict(matplotlib.rcParams)
    with styled(7):
        assert matplotlib.rcParams["font.size"] == 7
    assert dict(matplotlib.rcParams) == before
