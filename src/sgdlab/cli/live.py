"""What the views of what goes on now are given: a reader of the sweeps that were named."""

from __future__ import annotations

from collections.abc import Sequence

from sgdlab.cli.arguments import arguments_or_all
from sgdlab.cli.request import open_request
from sgdlab.launch.live.outcomes import SweepLook
from sgdlab.launch.live.reader import LiveReader


def live_reader(arguments: Sequence[str] | None, scale: str) -> LiveReader:
    """Return a reader of these sweeps as they are at each full look; without a name, of all sweeps.

    Raises
    ------
    UsageError
        If a sweep or a key isn't there, or a value isn't allowed.
    """
    asked = arguments_or_all(arguments, scale)

    def look() -> list[SweepLook]:
        with open_request(asked, scale) as request:
            return request.look()

    with open_request(asked, scale) as request:
        store = request.store
        _ = request.titles  # a name that means nothing is refused before anything is shown
    return LiveReader(store, look)
