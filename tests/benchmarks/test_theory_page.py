"""The page of the equations: tables go between their marks, pictures where they are shown."""

from dataclasses import replace

import pytest

from sgdlab.analysis.series import FigureSeries
from sgdlab.sweeps.claims import Expectation
from sgdlab.theory.check import CheckReport, Finding
from sgdlab.theory.convergence import ErrorCurve, convergence_panel
from theory_page import draw_shown, with_tables

STEPS = (0.125, 0.25, 0.5, 1.0)
CURVE = ErrorCurve("error", "It is O(ε).", 1, STEPS, STEPS)
FIGURE = FigureSeries("n", "t", "curves", "x", "y", "log", (convergence_panel("P", [CURVE]),), ())
FINDING = Finding("It holds.", 1.0, (0.9, 1.1), Expectation(above=0), "Mostly.")
REPORT = CheckReport((FINDING,), FIGURE, ("a setting",))
PAGE = """Words.
<!-- measured: made/up -->
old
<!-- end -->
![A picture](images/theory-made-up.png)
<!-- measured: made/too -->
<!-- end -->
More words.
"""


def test_a_table_takes_the_place_of_the_old_one():
    page = with_tables(PAGE, {"made/up": REPORT})
    table = (
        "| the equation says | measured, 95 % | expected | verdict |\n| --- | --- | --- | --- |\n"
        "| It holds. Mostly. | 1 [0.9, 1.1] | above 0 | supported |\n\n- a setting"
    )
    assert page == PAGE.replace("old", table)
    assert with_tables(page, {"made/up": REPORT}) == page


def test_a_bar_does_not_end_a_cell():
    finding = replace(FINDING, says="|cos| is 1.")
    page = with_tables(PAGE, {"made/up": replace(REPORT, findings=(finding,))})
    assert r"| \|cos\| is 1. Mostly. | 1 [0.9, 1.1] | above 0 | supported |" in page


def test_a_check_without_its_marks_is_an_error():
    with pytest.raises(ValueError, match=r"needs one line '<!-- measured: made/other -->'"):
        with_tables(PAGE, {"made/other": REPORT})


def test_only_pictures_that_are_shown_are_drawn(tmp_path):
    (tmp_path / "images").mkdir()
    page = tmp_path / "theory.md"
    page.write_text(PAGE)
    draw_shown(page, {"made/up": REPORT, "made/too": REPORT})
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["theory-made-up.png"]
