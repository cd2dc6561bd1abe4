"""Progress of a sweep: redrawn in place on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

LINE_EVERY_S = 10.0


@dataclass(frozen=True)
class Snapshot:
    """How far a sweep has come; runs of earlier commands count as done."""

    num_runs: int
    num_done: int  # diverged runs apart
    num_running: int
    num_diverged: int
    num_failed: int
    updates_done: int  # of the runs that this command trains
    updates_total: int
    elapsed_s: float
    num_workers: int

    @property
    def updates_per_s(self) -> float | None:
        """Parameter updates a second of all workers together; None until there are some."""
        if self.updates_done == 0 or self.elapsed_s <= 0:
            return None
        return self.updates_done / self.elapsed_s

    @property
    def seconds_left(self) -> float | None:
        """Time left at the mean pace so far; None until a pace is known."""
        if self.updates_per_s is None:
            return None
        return max(0, self.updates_total - self.updates_done) / self.updates_per_s


class ProgressView:
    """Shows snapshots as they come, between `with` and its end.

    On a terminal a bar and two lines, redrawn in place; otherwise one plain line at most every 10 s, and the
    last snapshot always.
    """

    def __init__(
        self, title: str, console: Console | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._title = title
        self._console = console or Console(file=sys.stderr)
        self._clock = clock
        self._live: Live | None = None
        self._latest: Snapshot | None = None
        self._printed: Snapshot | None = None
        self._printed_at = float("-inf")

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        return self

    def update(self, snapshot: Snapshot) -> None:
        """Show where things stand now."""
        self._latest = snapshot
        if self._live is not None:
            self._live.update(self._view(snapshot), refresh=True)
        elif self._clock() - self._printed_at >= LINE_EVERY_S:
            self._print_line(snapshot)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
        elif self._latest is not None and self._latest is not self._printed:
            self._print_line(self._latest)

    def _view(self, snapshot: Snapshot) -> Group:
        """The bar over the updates, the runs by state, the pace."""
        percent = _percent(snapshot)
        bar = Table.grid(padding=(0, 1), expand=True)
        bar.add_column(no_wrap=True)
        bar.add_column(ratio=1)
        bar.add_column(no_wrap=True, justify="right")
        title = Text(self._title, style="bold")
        title.truncate(self._console.width // 2, overflow="ellipsis")
        bar.add_row(title, ProgressBar(completed=percent), f"{percent}%")
        return Group(bar, _one_line(_runs(snapshot)), _one_line(_pace(snapshot)))

    def _print_line(self, snapshot: Snapshot) -> None:
        self._printed, self._printed_at = snapshot, self._clock()
        line = f"{self._title}: {_percent(snapshot)}% · {_runs(snapshot)} · {_pace(snapshot)}"
        self._console.print(line, soft_wrap=True, markup=False, highlight=False)


def _percent(snapshot: Snapshot) -> int:
    """Share of the updates, cut and not rounded: 100 means all."""
    if snapshot.updates_total <= 0:
        return 100
    return min(100, 100 * snapshot.updates_done // snapshot.updates_total)


def _runs(snapshot: Snapshot) -> str:
    """The runs by state; diverged and failed only where there are any."""
    parts = [f"{snapshot.num_done}/{snapshot.num_runs} runs done", f"{snapshot.num_running} running"]
    parts += [f"{snapshot.num_diverged} diverged"] if snapshot.num_diverged else []
    parts += [f"{snapshot.num_failed} failed"] if snapshot.num_failed else []
    return " · ".join(parts)


def _pace(snapshot: Snapshot) -> str:
    """Workers, updates a second, time gone and time left."""
    workers = f"{snapshot.num_workers} worker{'' if snapshot.num_workers == 1 else 's'}"
    rate = snapshot.updates_per_s
    pace = "measuring the pace" if rate is None else f"{rate:,.0f} updates/s"
    left = snapshot.seconds_left
    time_left = "time left unknown" if left is None else f"{_duration(left)} left"
    return f"{workers} · {pace} · {_duration(snapshot.elapsed_s)} gone · {time_left}"


def _duration(seconds: float) -> str:
    """Write 4000 s as 1:06:40, and anything from two days on in days."""
    minutes, whole_seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours / 24:.1f} days"
    return f"{hours}:{minutes:02}:{whole_seconds:02}" if hours else f"{minutes}:{whole_seconds:02}"


def _one_line(text: str) -> Text:
    return Text(text, no_wrap=True, overflow="ellipsis")
