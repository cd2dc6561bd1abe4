"""The command that measures stored models: measure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sgdlab.cli.arguments import AsJson
from sgdlab.cli.figure import Venue, page_for
from sgdlab.errors import UsageError

if TYPE_CHECKING:
    from sgdlab.config.execution import Execution

Arguments = Annotated[
    list[str],
    typer.Argument(metavar="RUN... [KEY=VALUE...]", help="Keys of runs or their beginnings, and overrides."),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("measure")(measure)


def measure(
    arguments: Arguments,
    pairs: Annotated[int, typer.Option(min=1, help="Eigenpairs of the Hessian and of Σ.")] = 5,
    tolerance: Annotated[float, typer.Option(help="Residual, as a part of the largest eigenvalue.")] = 1e-3,
    passes: Annotated[int, typer.Option(min=2, help="Over the data, for stochastic estimates.")] = 4,
    examples: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of random vectors.")] = 0,
    as_json: AsJson = False,
    folder: Annotated[Path, typer.Option(help="Where to write the figures.")] = Path("outputs/figures"),
    venue: Venue = None,
) -> None:
    """Measure gradient noise and curvature of stored models, over their training sets."""
    names = [argument for argument in arguments if "=" not in argument]
    if not names:
        raise UsageError(
            "which run? Name one or more by their keys; `sgdlab results SWEEP --json` shows them"
        )
    execution = _execution([argument for argument in arguments if "=" in argument])
    page = page_for(venue)

    from sgdlab.cli.output import console, print_json, show_running, table
    from sgdlab.figures.draw import draw
    from sgdlab.measuring.measurement import Effort, measure_model
    from sgdlab.measuring.stored_model import load_model, load_pipeline
    from sgdlab.measuring.view import figures, record, rows
    from sgdlab.runs.store import Store

    effort = Effort(pairs, tolerance, passes, examples, seed)
    store = Store(execution.folders.store)
    models = [load_model(store, name) for name in names]
    records = []
    for model in models:
        with show_running(f"run {model.key[:8]}") as status:
            pipeline = load_pipeline(model.run, execution)
            measured = measure_model(model, pipeline, effort, status.update)
        paths = [
            path
            for name, series in figures(measured).items()
            for path in draw(series, folder, f"measure-{model.key[:12]}-{name}", page=page)
        ]
        if as_json:
            records.append({**record(measured), "figures": [str(path) for path in paths]})
            continue
        listing = table("quantity", "value", "standard error", numeric=("value",))
        for row in rows(measured):
            listing.add_row(*row)
        print(f"run {model.key}, update {model.update:,} of {model.run.num_updates:,}")
        console().print(listing)
        print(*(f"  {path}" for path in paths), sep="\n", end="\n\n")
    if as_json:
        print_json(records)


def _execution(overrides: list[str]) -> Execution:
    from sgdlab.config.compose import open_composer, validate_execution
    from sgdlab.config.execution import Execution as Carried

    with open_composer() as composer:
        parsed = composer.parse(overrides)
        for key in parsed:
            if key.partition(".")[0] not in Carried.model_fields:
                raise UsageError(f"{key}: a stored run is what it is; folders and launcher can be set here")
        return validate_execution(composer, parsed)
