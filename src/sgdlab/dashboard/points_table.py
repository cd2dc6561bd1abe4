"""The table of points: each by the protocol, beside what stands without a choice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sgdlab.analysis.labels import label_of_point
from sgdlab.analysis.protocol import Spread
from sgdlab.analysis.tables import ResultRow
from sgdlab.dashboard.addresses import Place
from sgdlab.dashboard.parts import plain_label
from sgdlab.dashboard.tables import Column, Row, column, numeric_column

NAME = "points"

_NUMBERS = (
    ("best", "best k of n"),
    ("std", "s.d."),
    ("unselected", "all finite"),
    ("honest", "honest epoch"),
)
_COUNTS = ("asked", "done", "diverged", "failed", "missing")


def columns_of(points: Sequence[ResultRow]) -> list[Column]:
    """Return the columns; panel and grid where there are several."""
    panels = {row.summary.panel for row in points}
    grids = {row.summary.grid for row in points}
    return [
        *([column("panel", "panel", 110)] if len(panels) > 1 else []),
        *([column("grid", "grid", 120)] if len(grids) > 1 else []),
        column("point", "point", 220, cellRenderer="PointLink", tooltipField="point"),
        column("metric", "metric", 150),
        *(numeric_column(name, field, "metric", 115) for field, name in _NUMBERS),
        column("optimum", "optimum", 110),
        *(numeric_column(name, name, "whole", 90) for name in _COUNTS),
        column("note", "note", 260, tooltipField="note"),
    ]


def rows_of(points: Sequence[ResultRow]) -> Iterator[Row]:
    """Yield a row for each point in each metric."""
    for place, row in enumerate(points):
        summary = row.summary
        yield {
            "id": str(place),
            "place": Place(summary.panel, summary.grid, summary.point).to_text(),
            "panel": summary.panel,
            "grid": summary.grid,
            "point": plain_label(label_of_point(summary.point, list(summary.point))),
            "metric": summary.metric,
            "best": _mean(summary.best),
            "std": summary.std,
            "unselected": _mean(summary.unselected),
            "honest": _mean(summary.honest),
            "optimum": "◎ best" if row.is_optimum else "○ as good" if row.in_error_bar else "",
            **{name: getattr(summary, f"num_{name}") for name in _COUNTS},
            "note": "; ".join(
                [
                    *([summary.note] if summary.note else []),
                    *(f"{e.side} edge of {e.axis}" for e in row.edges),
                ]
            ),
        }


def _mean(spread: Spread | None) -> float | None:
    return None if spread is None else spread.mean
