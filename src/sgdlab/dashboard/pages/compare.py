"""The page that lays several sweeps over each other: their curves in one plot, their claims side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dash import dcc, html

from sgdlab.analysis.claims import describe_expectation
from sgdlab.dashboard.addresses import sweep_address
from sgdlab.dashboard.figures import Comparing, compared, describe_panel, graph
from sgdlab.dashboard.pages.sweep import interval_text
from sgdlab.dashboard.parts import Child, choice, labelled, notice, number, number_cell, table, verdict_badge
from sgdlab.dashboard.snapshots import Snapshot
from sgdlab.plots.panel import plot_of
from sgdlab.reports.section import SweepSection

CHOICE, BY, COMPARISON = "compare-choice", "compare-by", "comparison"
_WAYS: tuple[Comparing, ...] = ("equal axes", "all together")


def compare_page(names: Sequence[str], snapshots: Sequence[Snapshot]) -> list[Child]:
    """Return the page, with what is compared already."""
    chosen = [snapshot.name for snapshot in snapshots]
    return [
        html.H1("Compare sweeps"),
        html.Label("Sweeps", htmlFor=CHOICE),
        dcc.Dropdown(
            id=CHOICE,
            options=list(names),
            value=chosen,
            multi=True,
            clearable=False,
            placeholder="Choose two or more",
        ),
        html.Div(choice("Curves in one plot", BY, {way: way for way in _WAYS}), className="choices"),
        html.Div(comparison(snapshots, _WAYS[0]), id=COMPARISON),
    ]


def comparison(snapshots: Sequence[Snapshot], by: Comparing) -> list[Child]:
    """Return the plots and the claims of some sweeps."""
    if not snapshots:
        return [html.P("Choose sweeps: their curves are drawn over each other, and their claims listed.")]
    sections = [snapshot.section for snapshot in snapshots if snapshot.section]
    problems = [
        notice(html.P(f"{each.name}: {each.problem}"), kind="bad") for each in snapshots if each.problem
    ]
    return [*problems, html.Div(list(_figures(sections, by)), className="panels wide"), *_claims(sections)]


def _figures(sections: Sequence[SweepSection], by: Comparing) -> Iterator[Child]:
    for position, figure in enumerate(compared(sections, by)):
        (panel,) = figure.panels
        plot, description = plot_of(panel, figure), describe_panel(panel, figure)
        yield html.Figure(
            [
                html.Figcaption(html.Strong(labelled(figure.title))),
                graph("comparison", str(position), plot, description),
            ]
        )


def _claims(sections: Sequence[SweepSection]) -> Iterator[Child]:
    yield html.H2("Claims")
    rows = [
        [
            [*labelled(verdict.claim.says), html.Span(_panel(section, verdict.panel), className="quiet")],
            dcc.Link(section.sweep, href=sweep_address(section.sweep)),
            verdict_badge(verdict.verdict),
            number_cell(number(verdict.estimate)),
            number_cell(interval_text(verdict)),
            number_cell(describe_expectation(verdict.claim.expect)),
        ]
        for section in sections
        for verdict in section.verdicts
    ]
    headings = ["The paper says", "Sweep", "Verdict", "Estimate", "95 % interval", "Expected"]
    yield table("Claims of the compared sweeps", headings, rows) if rows else html.P("They claim nothing.")


def _panel(section: SweepSection, panel: str) -> str:
    return f" ({panel})" if len(section.series.panels) > 1 else ""
