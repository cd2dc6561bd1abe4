"""The command about the papers' equations: theory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sgdlab.cli.arguments import AsJson
from sgdlab.cli.figure import Venue, page_for
from sgdlab.cli.output import print_json

if TYPE_CHECKING:
    from sgdlab.figures.page import Page
    from sgdlab.theory.check import Check

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME...]", help="Checks; without a name, all.")]
Listed = Annotated[bool, typer.Option("--list", help="List the checks, and run none.")]
Folder = Annotated[Path, typer.Option(help="Where to write the figures.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("theory")(theory)


def theory(
    names: Names = None,
    listed: Listed = False,
    as_json: AsJson = False,
    folder: Folder = Path("outputs/figures/theory"),
    venue: Venue = None,
) -> None:
    """Check the papers' equations numerically: what they say, what was measured, and a figure of each."""
    from sgdlab.theory.catalogue import find_checks

    checks = find_checks(names or [])
    if listed:
        _list(checks, as_json)
    else:
        _run(checks, as_json, folder, page_for(venue))


def _list(checks: Sequence[Check], as_json: bool) -> None:
    from sgdlab.cli.theory_view import print_checks, record_of_check

    if as_json:
        print_json([record_of_check(check) for check in checks])
    else:
        print_checks(checks)


def _run(checks: Sequence[Check], as_json: bool, folder: Path, page: Page) -> None:
    """Run and draw one after the other; people read each as it comes, scripts all of them at the end."""
    from sgdlab.cli.output import show_running
    from sgdlab.cli.theory_view import print_report, record_of_report
    from sgdlab.figures.draw import draw

    records = []
    for place, check in enumerate(checks, start=1):
        with show_running(f"{check.name}, {place} of {len(checks)}"):
            report = check.run()
            paths = draw(report.figure, folder, check.name.replace("/", "-"), page=page)
        if as_json:
            records.append(record_of_report(check, report, paths))
        else:
            print_report(check, report, paths)
    if as_json:
        print_json(records)
