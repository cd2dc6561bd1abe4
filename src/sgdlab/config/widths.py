"""Pack widths worth measuring: how throughput grows with the number of runs trained together."""

from __future__ import annotations

from collections.abc import Mapping

AS_GOOD = 1.05  # a pack is as fast as another whose time of one update of one run is less by 5 % at most
_LADDER = (1, 8, 32, 128, 512)


def next_width(update_s: Mapping[int, float], at_most: int) -> int | None:
    """Return the next pack width to measure; None where all is known that packing `at_most` runs asks for.

    `update_s` has the time of one update of one run at each width that was measured. The ladder is climbed
    while a step up gains something, up to the first rung that holds `at_most` runs.
    """
    below: int | None = None
    for width in _LADDER:
        if width not in update_s:
            return width
        if width >= at_most or (below is not None and update_s[below] < AS_GOOD * update_s[width]):
            return None
        below = width
    return None
