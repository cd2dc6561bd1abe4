"""How results look: in a terminal a table for each curve, and the claims; or JSON, a line for each point.

A curve may have a hundred thousand points, so its table is written here, and JSON is never held as a whole.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from rich.table import Table

from sgdlab.analysis.claims import Verdict
from sgdlab.analysis.optimum_table import OptimumRow, flags_of, record_of_optimum
from sgdlab.analysis.protocol import PointSummary, Spread, describe_value
from sgdlab.analysis.tables import ResultRow, describe_left_out, record_of_row, record_of_verdict
from sgdlab.analysis.tuning import Bar
from sgdlab.cli.output import aligned, console, json_line
from sgdlab.config.numbers import format_number
from sgdlab.sweeps.spec import Sweep

_MOST_DECIMALS = 6
_COUNTS = {
    "diverged": "num_diverged",
    "failed": "num_failed",
    "missing": "num_missing",
    "spared": "num_spared",
}


def print_results(
    sweep: Sweep,
    rows: Sequence[ResultRow],
    optima: Sequence[OptimumRow],
    verdicts: Sequence[Verdict],
    remarks: Iterable[str],
) -> None:
    """Print the points, the optima, the verdicts, and what was left out."""
    print_points(sweep, rows)
    print_optima(sweep, optima)
    print()
    print_verdicts(verdicts)
    for line in (*describe_left_out(rows), *remarks):
        print(line)


def results_as_json(
    sweep: Sweep,
    rows: Iterable[ResultRow],
    optima: Iterable[OptimumRow],
    verdicts: Iterable[Verdict],
    cautions: Sequence[str],
) -> Iterator[str]:
    """Yield the results of one sweep as one JSON object, piece by piece."""
    yield f'{{"sweep": {json_line(f"{sweep.name} @ {sweep.scale}")},\n"points": ['
    yield from _joined(map(record_of_row, rows))
    yield '],\n"optima": ['
    yield from _joined(map(record_of_optimum, optima))
    yield '],\n"claims": ['
    yield from _joined(map(record_of_verdict, verdicts))
    yield f'],\n"cautions": {json_line(list(cautions))}}}\n'


def print_points(sweep: Sweep, rows: Sequence[ResultRow]) -> None:
    """Print a table for each panel, grid and metric."""
    print(f"{sweep.name} @ {sweep.scale}: {sweep.title}")
    print("best: mean ± standard deviation (ddof 1); all: mean [its bootstrap interval]")
    print("* optimum, + within its error bar")
    for (panel, grid, metric), curve in groupby(rows, key=_curve_of):
        print(f"\n{panel}/{grid}: {sweep.panels[panel].grids[grid].label} · {metric}")
        points = list(curve)
        sys.stdout.writelines(_listing(sweep, points))
        sys.stdout.writelines(_coverage(points))
        for edge in dict.fromkeys(edge for row in points for edge in row.edges):
            print(f"* or + at the {edge.side} end of {edge.axis}: `sgdlab extend` goes on there")


def print_optima(sweep: Sweep, optima: Sequence[OptimumRow]) -> None:
    """Print a table of the optima over tuned axes for each panel, grid and metric."""
    for (panel, grid, metric, tuned_by), rows in groupby(optima, key=_choice_of):
        by = "" if tuned_by == metric else f", best by {tuned_by}"
        print(f"\n{panel}/{grid}: {sweep.panels[panel].grids[grid].label} · optima of {metric}{by}")
        sys.stdout.writelines(_listing_of_optima(list(rows)))


def print_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Print what became of each claim, and why."""
    listing = Table.grid(padding=(0, 2))
    listing.add_column(no_wrap=True)
    listing.add_column(overflow="fold")
    for verdict in verdicts:
        where = "" if verdict.panel == "main" else f"{verdict.panel}: "
        estimate = "" if verdict.estimate is None else f"{verdict.estimate:.4g}: "
        why = f"{estimate}{verdict.reason} ({verdict.num_seeds} seeds)"
        listing.add_row(verdict.verdict.upper(), f"{where}{verdict.claim.says}\n{why}")
    console().print(listing)


def format_spread(spread: Spread | None) -> str:
    """Write mean ± standard deviation, both down to the second digit of the latter: ``0.667 ± 0.011``."""
    if spread is None:
        return "–"
    if not spread.std:
        return f"{spread.mean:.4g}" + ("" if spread.std is None else " ± 0")
    decimals = max(0, 1 - math.floor(math.log10(spread.std)))
    if decimals > _MOST_DECIMALS:
        return f"{spread.mean:.4g} ± {spread.std:.2g}"
    return f"{spread.mean:.{decimals}f} ± {spread.std:.{decimals}f}"


def format_interval(interval: tuple[float, float] | None) -> str:
    """Write both ends down to the second digit of their distance: ``[0.656, 0.678]``."""
    if interval is None:
        return "–"
    low, high = interval
    decimals = max(0, 1 - math.floor(math.log10(high - low))) if high > low else _MOST_DECIMALS
    if decimals > _MOST_DECIMALS:
        return f"[{low:.4g}, {high:.4g}]"
    return f"[{low:.{decimals}f}, {high:.{decimals}f}]"


def _coverage(rows: Sequence[ResultRow]) -> Iterator[str]:
    """Say how far the error bars of the optima can be trusted."""
    shares = [row.bar_coverage for row in rows if row.bar_coverage is not None]
    if not shares:
        return
    least, most = f"{100 * min(shares):.0f}", f"{100 * max(shares):.0f}"
    share = f"{least} %" if least == most else f"{least} to {most} %"
    yield f"the error bar holds the best point in {share} of resampled sweeps\n"


def _format_unselected(summary: PointSummary, interval: tuple[float, float] | None) -> str:
    """Write ``0.667 [0.656, 0.678]``; of too few runs for an interval, mean ± standard deviation."""
    if summary.unselected is None or interval is None:
        return format_spread(summary.unselected)
    written = format_interval(interval)
    decimals = len(written[:-1].rpartition(".")[2]) if "." in written else 0
    return f"{summary.unselected.mean:.{decimals}f} {written}"


def _curve_of(row: ResultRow) -> tuple[str, str, str]:
    return row.summary.panel, row.summary.grid, row.summary.metric


def _choice_of(row: OptimumRow) -> tuple[str, str, str, str]:
    return row.panel, row.grid, row.metric, row.tuned_by


def _listing_of_optima(rows: Sequence[OptimumRow]) -> Iterator[str]:
    """Yield the heading, and one line an optimum: where it stands, its value, and each tuned axis."""
    hyperparameters = list(dict.fromkeys(name for row in rows for name in row.bars))
    at, names = _short_names(list(rows[0].at)), _short_names(hyperparameters)
    return aligned(
        [
            *([name, *(format_number(row.at[axis]) for row in rows)] for axis, name in at.items()),
            ["value", *(format_spread(row.value) for row in rows)],
            *([names[name], *(_format_bar(row.bars.get(name)) for row in rows)] for name in hyperparameters),
            ["flags", *map(flags_of, rows)],
        ]
    )


def _format_bar(bar: Bar | None) -> str:
    """Write an optimum and its error bar as table 1 of smith2020 does: ``2 (1 to 4)``."""
    if bar is None:
        return "–"
    return f"{format_number(bar.best)} ({format_number(bar.low)} to {format_number(bar.high)})"


def _joined(records: Iterable[dict[str, Any]]) -> Iterator[str]:
    start = "\n"
    for record in records:
        yield start + json_line(record)
        start = ",\n"


def _listing(sweep: Sweep, rows: Sequence[ResultRow]) -> Iterator[str]:
    """Yield the heading, and one line a point; columns that would hold nothing are left out."""
    summaries = [row.summary for row in rows]
    axes = _short_names(list(summaries[0].point))
    over_images = any(row.interval_over_images for row in rows)
    spreads = {
        describe_value(sweep.protocol): [format_spread(summary.best) for summary in summaries],
        f"all {sweep.protocol.num_seeds}{', images too' if over_images else ''} [95 %]": [
            _format_unselected(row.summary, row.interval_over_images or row.summary.unselected_interval)
            for row in rows
        ],
    }
    if any(summary.honest for summary in summaries):
        spreads["honest epoch"] = [format_spread(summary.honest) for summary in summaries]
    counts = {"done": [summary.num_done for summary in summaries]}
    counts |= {name: [getattr(summary, field) for summary in summaries] for name, field in _COUNTS.items()}
    shown = {name: numbers for name, numbers in counts.items() if name == "done" or any(numbers)}
    columns = [
        *(
            [name, *(format_number(summary.point[axis]) for summary in summaries)]
            for axis, name in axes.items()
        ),
        ["", *("*" if row.is_optimum else "+" if row.in_error_bar else "" for row in rows)],
        *([name, *column] for name, column in spreads.items()),
        *([name, *map(str, numbers)] for name, numbers in shown.items()),
    ]
    return aligned(columns)


def _short_names(axes: Sequence[str]) -> dict[str, str]:
    """Return axis → its last part where that tells it from the others; an expression stays as it is."""
    last = [axis.rpartition(".")[2] if axis.replace(".", "").isidentifier() else axis for axis in axes]
    return {axis: name if last.count(name) == 1 else axis for axis, name in zip(axes, last, strict=True)}
