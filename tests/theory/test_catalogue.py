"""Every check can be found by its name, has a module, and comes out as docs/theory.md says (slow)."""

import re
from pathlib import Path

import pytest

from sgdlab.errors import UsageError
from sgdlab.figures.draw import draw
from sgdlab.theory.catalogue import CHECKS, find_checks

PAGE = Path(__file__).parents[2] / "docs" / "theory.md"


def test_without_a_name_all_checks_are_meant():
    assert find_checks([]) == list(CHECKS.values())


def test_checks_come_in_the_order_in_which_they_are_named():
    names = ["smith2021/eq22", "smith2021/eq9-11"]
    assert [check.name for check in find_checks(names)] == names


def test_an_unknown_name_is_one_message_with_the_nearest_right_one():
    with pytest.raises(UsageError, match=r"no check 'smith2021/eq20'; did you mean smith2021/eq22\?"):
        find_checks(["smith2021/eq9-11", "smith2021/eq20"])


def test_a_name_says_which_paper():
    assert all(check.name.startswith(f"{check.paper}/") for check in CHECKS.values())


def test_the_page_tells_of_every_check():
    assert re.findall(r"^### `(\S+)`", PAGE.read_text(), flags=re.MULTILINE) == list(CHECKS)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKS)
def test_a_check_comes_out_as_the_page_says(name, tmp_path):
    report = CHECKS[name].run()
    section = PAGE.read_text().partition(f"### `{name}`")[2].partition("\n### ")[0]
    assert [
        line.split(" | ")[-1] for line in re.findall(r"^\| (.*) \|$", section, flags=re.MULTILINE)[2:]
    ] == [finding.verdict for finding in report.findings]
    axes = [panel.x_label or report.figure.x_label for panel in report.figure.panels]
    assert all(axes)
    assert report.figure.y_label or all(panel.y_label for panel in report.figure.panels)
    assert len(draw(report.figure, tmp_path, "check")) == 3
