"""Pages: the widths that the venues' style files prescribe, and what is refused."""

import pytest

from sgdlab.errors import UsageError
from sgdlab.figures.page import SCREEN, VENUES, page_of

# \textwidth or \columnwidth of the style files, in inches
PRESCRIBED = {"neurips": 5.5, "iclr": 5.5, "jmlr": 6.0, "tmlr": 6.5, "icml": 3.25, "icml-wide": 6.75}


@pytest.mark.parametrize("venue", PRESCRIBED)
def test_a_figure_has_the_width_of_its_column(venue):
    page = page_of(venue)
    assert page.width == pytest.approx(PRESCRIBED[venue])
    assert page.caption == "beside it"


@pytest.mark.parametrize("venue", VENUES)
def test_every_venue_has_a_width(venue):
    assert 3 < page_of(venue).width < 7.5


def test_a_width_is_given_in_millimetres():
    assert page_of("84mm").width == page_of("84.0 mm").width == pytest.approx(3.307, abs=1e-3)


@pytest.mark.parametrize(
    ("venue", "message"),
    [
        (
            "nips",
            r"--venue=nips: no venue of that name; there are aaai, .*, and a column's width",
        ),
        ("84", "no venue of that name"),
        ("4mm", r"--venue=4mm: a figure is 40 to 600 mm wide"),
        ("9000mm", "40 to 600 mm"),
        ("-84mm", "no venue"),
    ],
)
def test_what_is_no_column_is_refused(venue, message):
    with pytest.raises(UsageError, match=message):
        page_of(venue)


def test_panels_stand_side_by_side_where_they_are_wide_enough():
    assert [page_of("icml").shape_for(n) for n in (1, 2, 3)] == [(1, 1), (2, 1), (3, 1)]
    assert [page_of("neurips").shape_for(n) for n in (1, 2, 3, 4, 5)] == [
        (1, 1),
        (1, 2),
        (1, 3),
        (2, 2),
        (2, 3),
    ]
    assert SCREEN.shape_for(3) == (1, 3)
