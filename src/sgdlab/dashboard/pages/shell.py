"""What is around every page: where one is, the colours, and the places where news arrive."""

from __future__ import annotations

from dash import dcc, html

from sgdlab.dashboard.addresses import COMPARE, SWEEPS
from sgdlab.dashboard.parts import Child, named

LOOK_EVERY_MS = 2000

ADDRESS, CONTENT, TICK = "address", "content", "tick"
RENDERED, LATEST = "rendered", "latest"  # which version a page was made with, and which it should have now
FIGURES = "figures"  # changes with the figures of that version, and not with all that is new
MODE, COLOURS = "mode", "colours"  # light or dark as it is shown, and the button that changes it
NEWS, FRESHNESS = "news", "freshness"  # what is read aloud, and when there was news


def layout(scale: str, folder: str) -> html.Div:
    """Return the frame; pages go into its middle."""
    return html.Div(
        [
            html.A("Skip to the content", href=f"#{CONTENT}", className="skip"),
            html.Header(
                [
                    dcc.Link("sgdlab", href=SWEEPS, className="brand"),
                    html.Nav(
                        [dcc.Link("Sweeps", href=SWEEPS), dcc.Link("Compare", href=COMPARE)],
                        **named("Pages"),
                    ),
                    html.Span(id=FRESHNESS, className="quiet freshness"),
                    html.Button("Colours: system", id=COLOURS, type="button", className="plain"),
                ],
                className="top",
            ),
            html.Main(html.P("Reading …", className="quiet"), id=CONTENT, tabIndex=-1),
            html.Footer(
                [
                    html.Span(f"scale {scale}"),
                    html.Span(["store ", html.Code(folder)]),
                    html.Span("read-only"),
                ],
                className="quiet",
            ),
            html.Div(id=NEWS, role="status", className="aloud"),
            dcc.Location(id=ADDRESS, refresh=False),
            dcc.Interval(id=TICK, interval=LOOK_EVERY_MS),
            dcc.Store(id=RENDERED),
            dcc.Store(id=LATEST),
            dcc.Store(id=FIGURES),
            dcc.Store(id=MODE),
        ]
    )


def nothing_here(what: str) -> list[Child]:
    """Return the page of an address that leads nowhere."""
    return [
        html.H1("Nothing here"),
        html.P(what),
        html.P(dcc.Link("All sweeps", href=SWEEPS)),
    ]
