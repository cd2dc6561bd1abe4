"""Which pack widths are measured: up the ladder while it gains, as far as there are runs to pack."""

import pytest

from sgdlab.config.widths import next_width

CASES = {
    "nothing is known": ({}, 100, 1),
    "one width tells nothing": ({1: 8.0}, 100, 8),
    "a single run needs no more": ({1: 8.0}, 1, None),
    "eight are the first that hold two": ({1: 8.0}, 2, 8),
    "it gains, but there are no more runs": ({1: 8.0, 8: 1.0}, 8, None),
    "it gains": ({1: 8.0, 8: 1.0}, 9, 32),
    "it gains nothing": ({1: 8.0, 8: 7.7}, 100, None),
    "it gains enough": ({1: 8.0, 8: 7.6}, 100, 32),
    "it loses": ({1: 8.0, 8: 4.0, 32: 5.0}, 1000, None),
    "the ladder ends": ({1: 16.0, 8: 8.0, 32: 4.0, 128: 2.0, 512: 1.0}, 10**5, None),
    "what a worker measured meanwhile is no rung": ({1: 8.0, 4: 3.0}, 100, 8),
}


@pytest.mark.parametrize(("update_s", "at_most", "wanted"), CASES.values(), ids=CASES)
def test_the_next_width(update_s, at_most, wanted):
    assert next_width(update_s, at_most) == wanted
