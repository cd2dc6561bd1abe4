"""Columns that fit."""

import pytest

from sgdlab.watch.ascii_driver import in_ascii
from sgdlab.watch.columns import GAP, Column, cut, fit

COLUMNS = (Column("name", 0), Column("wide", 10, rank=1), Column("last", 5, rank=3), Column("odd", 5, rank=2))


@pytest.mark.parametrize("width", range(1, 120))
def test_what_is_kept_fits_and_fills(width):
    kept = fit(COLUMNS, width)
    used = sum(characters for _, characters in kept) + GAP * (len(kept) - 1)
    assert used == width or (width < 12 and len(kept) == 1)
    assert used <= max(width, 12)


def test_the_least_important_goes_first():
    kept = [[COLUMNS[place].title for place, _ in fit(COLUMNS, width)] for width in (38, 37, 30, 23, 5)]
    assert kept == [
        ["name", "wide", "last", "odd"],
        ["name", "wide", "odd"],
        ["name", "wide"],
        ["name"],
        ["name"],
    ]


def test_a_long_text_is_cut_in_its_middle():
    assert cut("roberts2018/generalization_gap", 16) == "roberts…tion_gap"
    assert cut("short", 5) == "short"
    assert cut("abcdef", 3) == "abc"


def test_ascii_takes_as_many_cells():
    assert in_ascii("██▌░ 50% … ε 漢") == "###. 50% ~ ? ??"
    assert in_ascii("\x1b[31m plain") == "\x1b[31m plain"
