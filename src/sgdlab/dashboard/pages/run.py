"""The page of one run: what became of it, its curves, its configuration, and the end of its log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dash import dcc, html

from sgdlab.config.numbers import format_number
from sgdlab.dashboard.addresses import SWEEPS, sweep_address
from sgdlab.dashboard.figures import graph
from sgdlab.dashboard.pages.point import curve_plots
from sgdlab.dashboard.parts import (
    Child,
    count,
    definitions,
    folded,
    named,
    notice,
    number,
    number_cell,
    state_badge,
    table,
)
from sgdlab.dashboard.point_detail import flat
from sgdlab.dashboard.run_detail import RunDetail


def run_page(detail: RunDetail, wanted_by: list[str]) -> list[Child]:
    """Return the page; `wanted_by` are the sweeps that ask for the run."""
    return [
        html.P([dcc.Link("Sweeps", href=SWEEPS), " / run"], className="quiet"),
        html.H1(["Run ", html.Code(detail.key[:12])]),
        html.P([state_badge(detail.state), " ", *_asked_for_by(wanted_by)]),
        *_what_happened(detail),
        *_curves(detail),
        *_metrics(detail),
        *_logs(detail),
        *_facts(detail),
    ]


def _asked_for_by(names: list[str]) -> Iterator[Child]:
    if names:
        yield "asked for by "
    for position, name in enumerate(names):
        yield ", " if position else ""
        yield dcc.Link(name, href=sweep_address(name))


def _what_happened(detail: RunDetail) -> Iterator[Child]:
    if detail.problem:
        yield notice(html.P(detail.problem), kind="bad")
    if detail.failure:
        yield notice(
            html.P(detail.failure.error), html.P(f"at {detail.failure.at}", className="quiet"), kind="bad"
        )
    if detail.result is not None:
        result = detail.result
        ended = f"{count(result.num_updates, 'update')} made"
        if result.diverged_at is not None:
            ended += f"; diverged after update {result.diverged_at:,}"
        yield html.P(f"{ended}.")
    elif detail.updates_made is not None:
        yield html.P(f"Its latest checkpoint holds {count(detail.updates_made, 'update')}.")


def _curves(detail: RunDetail) -> Iterator[Child]:
    curves = {name: values.tolist() for name, values in detail.curves.items() if values.ndim == 1}
    plots = curve_plots({f"run {detail.key[:8]}": curves})
    if plots:
        figures = [
            html.Figure(
                [
                    html.Figcaption(html.Strong(metric.replace("_", " "))),
                    graph("run", metric, plot, f"{metric} over training"),
                ]
            )
            for metric, plot in plots.items()
        ]
        yield html.Div(figures, className="panels")


def _metrics(detail: RunDetail) -> Iterator[Child]:
    if detail.result is None:
        return
    yield html.H2("Metrics")
    rows = [[html.Code(name), number_cell(number(value))] for name, value in detail.result.summary.items()]
    yield table("Metrics of the run", ["Metric", "Value"], rows, tall=True)


def _logs(detail: RunDetail) -> Iterator[Child]:
    if not detail.logs:
        return
    yield html.H2("Log")
    for log in detail.logs:
        yield html.P(["The end of ", html.Code(str(log.path)), ":"], className="quiet")
        yield html.Pre(log.tail or "(empty)", className="log", tabIndex=0, role="region", **named("Log"))


def _facts(detail: RunDetail) -> Iterator[Child]:
    if detail.result is not None:
        config = definitions((name, _written(value)) for name, value in flat(detail.result.config))
        yield html.H2("Configuration and provenance")
        yield folded("Configuration", config)
        provenance: dict[str, Any] = dict(detail.result.provenance)
        yield folded("Provenance", definitions((name, _written(value)) for name, value in provenance.items()))
    if detail.events:
        rows = [[entry.event.at, entry.event.kind, html.Code(entry.event.attempt)] for entry in detail.events]
        yield folded("What journals say", table("Events of the run", ["At", "What", "Attempt"], rows))
    yield html.P(["Key: ", html.Code(detail.key)], className="quiet")


def _written(value: object) -> str:
    return "–" if value is None else format_number(value)
