"""What commands print with. Rich is imported by the first table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status
    from rich.table import Table


@cache
def console() -> Console:
    """Return what tables are printed to; lines are printed."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def print_json(value: Any) -> None:
    """Print JSON for scripts; numbers that aren't finite become null upstream or are refused here."""
    print(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False, default=str))


def json_line(value: Any) -> str:
    """Write JSON on one line; as `print_json`."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)


def table(*columns: str, numeric: tuple[str, ...] = ()) -> Table:
    """Return an empty table; numeric columns are right-aligned."""
    from rich.table import Table

    result = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        result.add_column(column, justify="right" if column in numeric else "left", overflow="fold")
    return result


def aligned(columns: Sequence[Sequence[str]], on_the_left: int = 0) -> Iterator[str]:
    """Yield the lines of columns that may be long: right-aligned, but for the first few."""
    widths = [max(map(len, column)) for column in columns]
    for cells in zip(*columns, strict=True):
        placed = [
            cell.ljust(width) if place < on_the_left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        yield "  ".join(placed).rstrip() + "\n"


def show_running(what: str) -> Status:
    """Show on a terminal what is running, until the block ends; `update` it."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False).status(what)


def format_duration(seconds: float | None) -> str:
    """Write a time for people: 45 s, 3 min, 2.5 h."""
    if seconds is None:
        return "unknown"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
