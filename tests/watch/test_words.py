"""Words, numbers, bars, and what a terminal must not obey."""

import pytest

from sgdlab.launch.live.state import STATES, SweepState
from sgdlab.watch.words import bar, number, percent, shown, shown_lines, standing, time_left


def sweep(made=0, left=0, pace=None, **counts) -> SweepState:
    return SweepState("own/tiny @ laptop", dict.fromkeys(STATES, 0) | counts, made, left, made + left, pace)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain ε, λ and 漢", "plain ε, λ and 漢"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("a\rb\nc\td\x00\x7f\x9b2J", r"a\rb\nc\td\x00\x7f\x9b2J"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\ud800 alone", r"\ud800 alone"),
        ("[red]x[/red] <b>&amp;</b>", "[red]x[/red] <b>&amp;</b>"),
    ],
)
def test_what_a_terminal_would_obey_is_spelled_out(text, expected):
    assert shown(text) == expected
    shown(text).encode()


def test_lines_stay_lines():
    assert shown_lines("a\tb\n\x1b[2Jc") == "a       b\n\\x1b[2Jc"


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.0, "░░░░"), (0.001, "░░░░"), (0.0625, "▎░░░"), (0.5, "██░░"), (0.999, "███▉"), (1.0, "████")],
)
def test_only_all_is_drawn_full(share, expected):
    assert bar(share, 4) == expected


@pytest.mark.parametrize("value", [0, 0.004, 0.25, 7.1, 10, 999, 1234, 9999, 12_345, 999_999, 5e6, 2e9, 7e11])
def test_numbers_take_six_characters(value):
    assert len(number(value)) <= 6


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "-"), (0, "0"), (0.25, "0.25"), (7, "7"), (1234.4, "1,234"), (12_345, "12.3k"), (5.5e6, "5.5M")],
)
def test_numbers_are_readable(value, expected):
    assert number(value) == expected


def test_a_percentage_is_cut_and_not_rounded():
    assert percent(sweep(made=9999, left=1)) == "99%"
    assert percent(sweep(made=5)) == "100%"
    assert percent(sweep()) == "100%"  # nothing is to be done


def test_time_left_needs_a_pace_and_something_left():
    assert time_left(sweep(left=90, pace=2.0)) == "45 s"
    assert (
        time_left(sweep(left=90)) == time_left(sweep(left=90, pace=0.0)) == time_left(sweep(pace=2.0)) == "-"
    )


def test_states_are_told_where_there_are_any():
    counts = {"done": 3, "diverged": 1, "running": 2, "failed": 1}
    told = standing(sweep(made=40, left=60, pace=2.0, **counts))
    assert told == "4 of 7 runs done, 1 of them diverged, 2 running, 1 failed, 2 updates/s, 30 s left"
    assert standing(SweepState("x", {}, 0, 0, 0, None, problem="odd\x1b")) == r"odd\x1b"
