"""The command that draws: figure; and the option that says for which venue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sgdlab.cli.arguments import Arguments, Scale
from sgdlab.cli.request import open_request

if TYPE_CHECKING:
    from sgdlab.figures.page import Page
    from sgdlab.sweeps.spec import Sweep

Folder = Annotated[Path, typer.Option(help="Where to write.")]
Venue = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|MM",
        help="Draw for a paper, in its column's width: neurips, icml, icml-wide, iclr, jmlr, …, or 84mm. "
        "The caption is a file beside the figure.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("figure")(figure)


def figure(
    arguments: Arguments,
    scale: Scale = "laptop",
    folder: Folder = Path("outputs/figures"),
    venue: Venue = None,
    exported: Annotated[
        Path | None,
        typer.Option("--from", metavar="FOLDER", help="An export to draw from, instead of the store."),
    ] = None,
) -> None:
    """Draw the figures as PNG, PDF and SVG, and judge the claims."""
    from sgdlab.analysis.claims import judge
    from sgdlab.analysis.collect import observe, observe_export
    from sgdlab.analysis.export import read_export
    from sgdlab.analysis.figure_series import figure_series
    from sgdlab.cli.results_view import print_verdicts
    from sgdlab.figures.draw import draw

    page = page_for(venue)
    tables = None if exported is None else read_export(exported)
    with open_request(arguments, scale) as request:
        for sweep, known in zip(request.sweeps, request.known(), strict=True):
            if tables is None:
                observations = observe(sweep, known, request.store)
            else:
                observations = observe_export(sweep, known, tables)
            written = draw(figure_series(sweep, observations), folder, _name_of(sweep, venue), page=page)
            print(f"{sweep.name} @ {sweep.scale}:", *written, sep="\n  ")
            print_verdicts(judge(sweep, observations))


def page_for(venue: str | None) -> Page:
    """Return what figures are drawn for: a venue, or a screen."""
    from sgdlab.figures.page import SCREEN, page_of

    return SCREEN if venue is None else page_of(venue)


def _name_of(sweep: Sweep, venue: str | None) -> str:
    """Name the files after the sweep, its scale, the panels where they were chosen, and the venue."""
    parts = [sweep.name.replace("/", "-"), sweep.scale]
    if list(sweep.panels) != ["main"]:
        parts += sweep.panels
    if venue is not None:
        parts.append(venue.replace(" ", ""))
    return "-".join(parts)
