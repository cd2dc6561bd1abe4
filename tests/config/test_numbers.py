"""Powers of two as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgdlab.config.numbers import (
    evaluate,
    expand_pow2,
    format_number,
    parse_number,
    parse_numbers,
    pow2,
)
from sgdlab.errors import UsageError


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2**-6", 2**-6),
        ("1/32", 1 / 32),
        ("2**4", 16),
        ("5e-4", 5e-4),
        (" 2**-6 ", 2**-6),
        ("-2**2", -4),
        ("3*2**-6", 3 / 64),
        ("7//2", 3),
    ],
)
def test_arithmetic_is_read(text, number):
    assert parse_number(text) == number


@pytest.mark.parametrize(
    "text", ["shuffled", "2^x", "", "__import__('os')", "1/0", "2**100000", "lambda: 1", "[1][2]", "2**"]
)
def test_what_is_no_number_is_left_to_the_schema(text):
    assert parse_number(text) == text


def test_both_ends_of_an_axis_are_on_it():
    assert pow2(-2, 1) == [0.25, 0.5, 1.0, 2.0]
    assert pow2(-4, 0, 2) == [2**-4, 0.25, 1.0]
    assert parse_numbers("pow2(-2, 1)") == pow2(-2, 1)
    assert parse_numbers(["2**-1", 1, "shuffled"]) == [0.5, 1, "shuffled"]
    assert parse_numbers("2**-1") == [0.5]
    assert parse_numbers([[32, 32], [64]]) == [[32, 32], [64]]


@pytest.mark.parametrize("arguments", [(-3, -9), (-9, -3, 0), (-9, -3, -1)])
def test_an_axis_without_points_is_refused(arguments):
    with pytest.raises(UsageError, match=r"has no points: write pow2\(low, high\), low ≤ high"):
        pow2(*arguments)


@pytest.mark.parametrize(
    "text", ["pow2(-9)", "pow2(0.5, 3)", "pow3(-9, -3)", "pow2(-9, 5000)", "open('x')", "(1, 2)[5]"]
)
def test_what_is_no_axis_is_refused(text):
    with pytest.raises(UsageError, match=r"is not a number or an expression such as 2\*\*-6, 1/32 or pow2"):
        parse_numbers(text)


def test_an_expression_names_what_it_may_use():
    names = {"optimizer": {"inner_steps": 4}, "budget": {}}
    assert evaluate("2**14 / optimizer.inner_steps", names) == 4096
    with pytest.raises(UsageError, match=r"'2 / optimizer.step' is not .*; it may use budget, optimizer"):
        evaluate("2 / optimizer.step", names)


@pytest.mark.parametrize(
    ("override", "expanded"),
    [
        ("optimizer.lr=pow2(-2,1)", "optimizer.lr=0.25,0.5,1.0,2.0"),
        ("optimizer.lr=pow2(-2, -1),3", "optimizer.lr=0.25,0.5,3"),
        ("optimizer.lr=2**-6,1/32", "optimizer.lr=2**-6,1/32"),
        ("data=digits", "data=digits"),
        ("pow2(1,2)", "pow2(1,2)"),
    ],
)
def test_hydra_gets_a_choice_list(override, expanded):
    assert expand_pow2(override) == expanded


@given(st.integers(-1000, 1000))
def test_a_power_of_two_is_written_so_that_it_is_read_again(exponent):
    text = format_number(2.0**exponent)
    assert parse_number(text) == 2.0**exponent
    assert text == (str(2**exponent) if 0 <= exponent <= 10 else f"2**{exponent}")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1, "0.1"), (0, "0"), (0.0, "0.0"), (-0.5, "-0.5"), (True, "True"), (48, "48"), ("fixed", "fixed")],
)
def test_everything_else_is_written_plainly(value, text):
    assert format_number(value) == text
