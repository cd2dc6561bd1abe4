"""The command that shows what goes on now."""

from __future__ import annotations

from typing import Annotated

import typer

from sgdlab.cli.arguments import AsJson, OptionalArguments, Scale
from sgdlab.cli.output import print_json, show_running


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("watch")(watch)


def watch(
    arguments: OptionalArguments = None,
    scale: Scale = "laptop",
    as_json: AsJson = False,
    lines: Annotated[
        bool,
        typer.Option(
            "--lines", help="Plain lines when something has changed, as where there is no terminal."
        ),
    ] = False,
) -> None:
    """Show what goes on now: sweeps, workers, failures, GPUs, Slurm jobs; without a name, of all sweeps.

    Keys: enter for details, r retries failures, c cancels jobs, ? helps, q leaves. --json prints one moment.
    """
    from sgdlab.cli.live import live_reader

    with show_running("working out which runs are wanted"):  # the first time that somebody asks for them
        reader = live_reader(arguments, scale)
    with reader:
        if as_json:
            print_json(reader.read().to_dict())
            return
        from sgdlab.watch.start import watch_in_lines, watch_on_screen
        from sgdlab.watch.terminal import can_draw

        if can_draw() and not lines:
            watch_on_screen(reader, scale)
        else:
            watch_in_lines(reader)
