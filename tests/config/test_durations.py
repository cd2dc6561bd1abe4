"""Times as people read them."""

import pytest

from sgdlab.config.durations import describe_duration

SHOWN = {
    0: "0.0 s",
    0.44: "0.4 s",
    9.5: "9.5 s",
    45: "45 s",
    99.4: "99 s",
    110: "1.8 min",
    1500: "25 min",
    9000: "2.5 h",
    100_000: "28 h",
    300_000: "3.5 days",
    2_000_000: "23 days",
}


@pytest.mark.parametrize(("seconds", "shown"), SHOWN.items())
def test_a_duration(seconds, shown):
    assert describe_duration(seconds) == shown
