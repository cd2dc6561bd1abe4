"""``sgdlab workspace``: a sweep's panels on W&B."""

from __future__ import annotations

from typing import Annotated

import typer

from sgdlab.cli.arguments import Arguments, Scale
from sgdlab.cli.output import print_json
from sgdlab.cli.request import open_request
from sgdlab.config.execution import WandbTracker
from sgdlab.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("workspace")(workspace)


def workspace(
    arguments: Arguments,
    scale: Scale = "laptop",
    project: Annotated[str | None, typer.Option(help="Of the runs; default: tracker.project.")] = None,
    entity: Annotated[
        str | None, typer.Option(help="Of the runs; default: tracker.entity, or who is logged in.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what would be sent, and send nothing.")
    ] = False,
) -> None:
    """Make a W&B workspace and a report of each sweep; a new one each time, and a W&B account is needed."""
    from sgdlab.tracking.workspace import Shown, specifications
    from sgdlab.tracking.workspace_saving import default_entity, save

    with open_request(arguments, scale) as request:
        tracker = request.execution.tracker
        if not isinstance(tracker, WandbTracker):
            raise UsageError("tracker=none keeps no runs for Weights & Biases; leave it out")
        owner = entity or tracker.entity or ("" if as_json else default_entity())
        shown = [
            Shown(sweep, known.digest_of(), project or tracker.project, owner)
            for sweep, known in zip(request.sweeps, request.known(), strict=True)
        ]
    if as_json:
        print_json({f"{one.sweep.name} @ {scale}": specifications(one) for one in shown})
        return
    for one in shown:
        saved = save(one)
        print(f"{one.sweep.name} @ {scale}:\n  workspace {saved.workspace}\n  report    {saved.report}")
