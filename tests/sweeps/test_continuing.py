"""How axes go on: in the steps that a person would write next."""

from __future__ import annotations

import math

import pytest

from sgdlab.sweeps.continuing import between, beyond

ON = {
    "powers of two": ([2**-3, 2**-2, 2**-1], 2**-1, "high", [1.0, 2.0]),
    "powers of two, downwards": ([2**-3, 2**-2, 2**-1], 2**-3, "low", [2**-4, 2**-5]),
    "from where an extension has come to": ([2**-3, 2**-2, 2**-1], 4.0, "high", [8.0, 16.0]),
    "a factor of four": ([1, 4, 16], 16, "high", [64, 256]),
    "tenths of powers of two, exactly": ([0.1 * 2.0**e for e in (-21, -20, -19)], 0.1 * 2.0**-21, "low",
                                         [0.1 * 2.0**-22, 0.1 * 2.0**-23]),
    "thirds of decades": ([0.1, 0.3, 1, 3], 3, "high", [10.0, 30.0]),
    "thirds of decades, downwards": ([0.1, 0.3, 1, 3], 0.1, "low", [0.03, 0.01]),
    "equal differences": ([0.1, 0.2, 0.3], 0.3, "high", [0.4, 0.5]),
    "nothing": ([2, 6, 30], 30, "high", [150, 750]),
    "two values": ([0.5, 1.0], 1.0, "high", [2.0, 4.0]),
    "zero and powers of two": ([0, 2**-5, 2**-4], 2**-4, "high", [2**-3, 2**-2]),
    "whole numbers end where they would be broken": ([1, 2, 4], 1, "low", []),
    "positive numbers don't reach zero": ([0.1, 0.2, 0.3], 0.1, "low", []),
    "zero and one number": ([0, 1], 1, "high", []),
}  # fmt: skip


@pytest.mark.parametrize(("values", "start", "side", "expected"), ON.values(), ids=ON)
def test_an_axis_goes_on_in_its_own_steps(values, start, side, expected):
    found = beyond(values, start, side, 2)
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]


def test_the_order_in_which_values_are_written_does_not_matter():
    assert beyond([4.0, 1.0, 2.0], 1.0, "low", 1) == [0.5]


def test_between_two_values_is_their_geometric_mean():
    assert between(2.0**-6, 2.0**-5) == pytest.approx(2.0**-5.5, rel=1e-15)
    assert between(4, 16) == 8
    assert between(8, 9) is None
    assert between(0, 1) is None
    assert math.log2(between(0.125, 0.5)) == -2
