"""Text on a Markdown page, read back by a Markdown reader that sgdlab doesn't use."""

import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from sgdlab.reports.markdown_text import markdown

READER = MarkdownIt("commonmark").enable("table")


def read_back(line):
    """Return what a reader of a table sees in a cell, and the tags around it."""
    page = READER.render(f"| head | next |\n| --- | --- |\n| x{line}x | y |\n")
    cells = re.findall(r"<td>(.*?)</td>", page, re.DOTALL)
    assert cells[1:] == ["y"]
    return html.unescape(re.sub(r"<[^>]*>", "", cells[0]))[1:-1], re.findall(r"<([^/>]*)>", cells[0])


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text(alphabet="*_`|<>[]()&!\\#/;:ab2 ", max_size=20))
def test_nothing_in_a_text_is_taken_for_a_mark(text):
    text = " ".join(text.split())
    assert read_back(markdown(text)) == (text, [])


@pytest.mark.parametrize(
    "text", ["test_accuracy.best", "ε_opt = 2**-6 and λ", "2ρ_b/η", "[0.9, 1.1]", "‖H‖ > 2/η", "a < b"]
)
def test_what_is_no_mark_stays_as_it_is_to_read(text):
    assert markdown(text) == text.replace("*", "\\*")


def test_labels_get_their_scripts():
    assert markdown("‖H‖_{S_b} at 2^{-6}") == "‖H‖<sub>S_b</sub> at 2<sup>−6</sup>"
    assert read_back(markdown("tr(H S_{b})")) == ("tr(H Sb)", ["sub"])


def test_a_text_is_one_line():
    assert markdown("one\n  and\ttwo") == "one and two"
