"""The same in plain lines, where there is no terminal to draw on: one block when something has changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime

from sgdlab.launch.live.reader import LiveReader
from sgdlab.launch.live.state import LiveState
from sgdlab.watch.background import Problem, attempted
from sgdlab.watch.words import percent, shown, shown_lines, standing

LINE_EVERY_S = 10.0


def print_lines(
    reader: LiveReader, write: Callable[[str], None], sleep: Callable[[float], None] = time.sleep
) -> None:
    """Write a block at most every ten seconds, when something has changed, until nothing is left to train."""
    before: list[str] = []
    while True:
        live = attempted(reader.read)
        block = [shown_lines(live.text)] if isinstance(live, Problem) else list(block_of(live))
        if block != before:
            write("\n".join([f"{datetime.now():%Y-%m-%d %H:%M:%S}  {block[0]}", *block[1:]]))
            before = block
        if not isinstance(live, Problem) and is_over(live):
            return
        sleep(LINE_EVERY_S)


def is_over(live: LiveState) -> bool:
    """Whether every run has its outcome, or needs a person."""
    return not live.together.updates_left and not any(sweep.problem for sweep in live.sweeps)


def block_of(live: LiveState) -> Iterator[str]:
    """Yield the lines about a moment: all together, sweeps that are trained, failures."""
    yield f"{percent(live.together)}  {standing(live.together)}"
    for sweep in live.sweeps if len(live.sweeps) > 1 else ():
        if sweep.is_active or sweep.problem:
            yield f"  {shown(sweep.title)}: {percent(sweep)}  {standing(sweep)}"
    for group in live.failures:
        yield f"  {len(group.keys)} failed, {group.example.key[:12]} say: {shown(group.error)}"
    yield from (f"  {shown(damage)}" for damage in live.damages)
