"""Starts the view, on the screen or in lines; Ctrl-C ends either quietly."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from sgdlab.launch.live.reader import LiveReader
from sgdlab.watch.lines import print_lines
from sgdlab.watch.terminal import shows_unicode


def watch_on_screen(reader: LiveReader, scale: str) -> None:
    """Show the view until somebody leaves it."""
    os.environ.pop("COLUMNS", None)  # a size that a shell has exported once isn't this terminal's
    os.environ.pop("LINES", None)
    from sgdlab.watch.app import WatchApp
    from sgdlab.watch.ascii_driver import AsciiDriver

    driver = None if shows_unicode() else AsciiDriver
    WatchApp(reader, scale, driver).run(mouse=False)


def watch_in_lines(reader: LiveReader) -> None:
    """Print lines until nothing is left to train."""

    def write(text: str) -> None:
        encoding = sys.stdout.encoding or "ascii"
        print(text.encode(encoding, errors="replace").decode(encoding), flush=True)

    with suppress(KeyboardInterrupt):
        print_lines(reader, write)
