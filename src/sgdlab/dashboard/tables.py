"""Tables that sort and filter in the browser: ten thousand rows of a sweep, or of its points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import dash_ag_grid as dag
from dash import dcc, html

from sgdlab.dashboard.parts import Child, named

Column = dict[str, Any]
Row = dict[str, Any]

TABLE, SEARCH = "table", "search"  # kinds of ids: a table, and the field that searches it

_OPTIONS: Mapping[str, Any] = {
    "theme": {"function": "themeQuartz"},
    "suppressFieldDotNotation": True,
    "cacheQuickFilter": True,
    "enableCellTextSelection": True,
    "ensureDomOrder": True,
    "animateRows": False,
    "rowHeight": 32,
    "headerHeight": 36,
    "tooltipShowDelay": 300,
}


def column(name: str, field: str, width: int = 120, **others: Any) -> Column:
    """Return a column of text."""
    return {
        "headerName": name,
        "field": field,
        "width": width,
        "filter": "agTextColumnFilter",
        "headerTooltip": name,
        **others,
    }


def numeric_column(
    name: str,
    field: str,
    written: Literal["axis", "metric", "whole", "percent"],
    width: int = 110,
    **others: Any,
) -> Column:
    """Return a column of numbers, written as axes, metrics or whole numbers are."""
    shown = {"function": f"{written}(params.value)"}
    numbers = {"filter": "agNumberColumnFilter", "type": "rightAligned", "valueFormatter": shown}
    return column(name, field, width, **{**numbers, **others})


def table_of(
    name: str, label: str, columns: Sequence[Column], rows: Sequence[Row] | None, searched: str
) -> html.Div:
    """Return a table with a field that searches all its columns; without rows they are still to come.

    Every row has an `id`, by which later news of it is taken in.
    """
    return html.Div(
        [
            html.Div(
                [
                    html.Label(searched, htmlFor=_text_id(SEARCH, name)),
                    dcc.Input(id={"type": SEARCH, "index": name}, type="search", debounce=False),
                ],
                className="search",
            ),
            html.Div(
                dag.AgGrid(
                    id={"type": TABLE, "index": name},
                    columnDefs=list(columns),
                    rowData=None if rows is None else list(rows),
                    getRowId="params.data.id",
                    defaultColDef={"sortable": True, "resizable": True, "floatingFilter": True},
                    dashGridOptions=dict(_OPTIONS),
                    className="grid",
                    style={"height": None},
                ),
                role="region",
                **named(label),
            ),
        ]
    )


def cell_text(value: Any) -> Any:
    """Return a value as a cell takes it: numbers and text as they are, lists as text."""
    return value if isinstance(value, int | float | str) and not isinstance(value, bool) else str(value)


def _text_id(kind: str, index: str) -> Child:
    """Write an id as Dash puts it into the page."""
    return f'{{"index":"{index}","type":"{kind}"}}'
