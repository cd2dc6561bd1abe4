"""The page of one sweep: its figure, the runs behind a point, claims, points, failures, runs, settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dash import dcc, html

from sgdlab.analysis.claims import Verdict, describe_expectation
from sgdlab.dashboard import points_table, runs_table
from sgdlab.dashboard.addresses import SWEEPS, compare_address
from sgdlab.dashboard.figures import caption_of, figure_of
from sgdlab.dashboard.parts import (
    Child,
    definitions,
    folded,
    labelled,
    named,
    notice,
    number,
    number_cell,
    table,
    verdict_badge,
)
from sgdlab.dashboard.snapshots import Snapshot
from sgdlab.dashboard.tables import table_of
from sgdlab.reports.section import SweepSection

STANDING, CAPTION, CLAIMS, FAILURES, POINT = "standing", "caption", "claims", "failures", "point"
TAKEN_IN = "taken-in"  # which revision of its runs the table has


def sweep_page(snapshot: Snapshot, standing: Sequence[Child], failures: Sequence[Child]) -> list[Child]:
    """Return the page; plots and tables are filled when it is there."""
    section = snapshot.section
    if snapshot.sweep is None:
        return [*_heading(snapshot.name, None), notice(html.P(snapshot.problem), kind="bad")]
    return [
        *_heading(snapshot.name, section),
        html.Div(standing, id=STANDING),
        *([notice(html.P(snapshot.problem), kind="bad")] if snapshot.problem else []),
        *(_figure(section) if section else []),
        html.Section(id=POINT, **named("The point that was chosen")),
        *(_part("Claims", html.Div(claims_of(section), id=CLAIMS)) if section else []),
        *(_part("Points", _points(section)) if section else []),
        html.Div(failures, id=FAILURES),
        *_part("Runs", _runs(snapshot)),
        *(_part("Settings and notes", *_settings(section)) if section else []),
    ]


def claims_of(section: SweepSection) -> list[Child]:
    """Return every claim with its number and its verdict."""
    if not section.verdicts:
        return [html.P("This sweep claims nothing.")]
    several = len(section.series.panels) > 1
    headings = [
        "The paper says",
        *(["Panel"] if several else []),
        "Verdict",
        "Estimate",
        "95 % interval",
        "Expected",
    ]
    rows = [list(_claim(verdict, several)) for verdict in section.verdicts]
    return [table(f"Claims of {section.sweep}", headings, rows)]


def interval_text(verdict: Verdict) -> str:
    """Write the interval of a claim's number."""
    if verdict.interval is None:
        return "–"
    low, high = verdict.interval
    return f"[{number(low)}, {number(high)}]"


def _claim(verdict: Verdict, several: bool) -> Iterator[Child]:
    yield [
        *labelled(verdict.claim.says),
        html.Details(
            [
                html.Summary("How it was judged"),
                html.P(labelled(f"{verdict.rule}.")),
                html.P(labelled(f"{verdict.reason}. {verdict.num_seeds} seeds.")),
            ]
        ),
    ]
    if several:
        yield verdict.panel
    missing = " source missing" if verdict.claim.source == "missing" else ""
    yield [verdict_badge(verdict.verdict), missing]
    yield number_cell(number(verdict.estimate))
    yield number_cell(interval_text(verdict))
    yield number_cell(describe_expectation(verdict.claim.expect))


def _heading(name: str, section: SweepSection | None) -> list[Child]:
    trail = html.P([dcc.Link("Sweeps", href=SWEEPS), " / ", html.Code(name)], className="quiet")
    if section is None:
        return [trail, html.H1(name)]
    about = f"paper {section.paper} · {section.figure} · scale {section.scale} · "
    compare = dcc.Link("compare with others", href=compare_address([name]))
    return [trail, html.H1(labelled(section.title)), html.P([about, compare], className="quiet")]


def _figure(section: SweepSection) -> list[Child]:
    return [figure_of(section), html.Div(caption_of(section.series), id=CAPTION)]


def _part(heading: str, *children: Child) -> list[Child]:
    return [html.H2(heading), *children]


def _points(section: SweepSection) -> Child:
    columns = points_table.columns_of(section.points)
    return html.Div(
        [
            table_of(points_table.NAME, f"Points of {section.sweep}", columns, None, "Search points"),
            html.P(
                "Choosing the best runs, and the best epoch on the test set, flatters. So beside the paper's "
                "protocol stand all finite runs, and the same with the epoch chosen on one half of the test "
                "set and read on the other. ○: within one standard deviation of the best.",
                className="quiet",
            ),
        ]
    )


def _runs(snapshot: Snapshot) -> Child:
    columns = runs_table.columns_of(snapshot.sweep) if snapshot.sweep else []
    return html.Div(
        [
            dcc.Store(id=TAKEN_IN),
            table_of(runs_table.NAME, f"Runs of {snapshot.name}", columns, None, "Search runs"),
        ]
    )


def _settings(section: SweepSection) -> Iterator[Child]:
    settings: Mapping[str, Child] = dict(section.settings)
    yield html.P(["Protocol: ", settings.get("protocol", "")])
    if section.notes:
        yield html.Ul([html.Li(labelled(note)) for note in section.notes], className="notes")
    yield folded(
        "All settings",
        definitions((name, str(value)) for name, value in settings.items() if name != "protocol"),
    )
