"""What a command is asked for: sweeps, and overrides in Hydra's grammar, in any order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import typer

from sgdlab.config.compose import Composer, open_composer, validate_execution
from sgdlab.config.execution import Execution
from sgdlab.config.numbers import expand_pow2
from sgdlab.errors import UsageError
from sgdlab.runs.store import Store
from sgdlab.sweeps.expand import WantedRun, expand
from sgdlab.sweeps.files import find_sweep, load_sweep
from sgdlab.sweeps.spec import Sweep

Arguments = Annotated[
    list[str],
    typer.Argument(metavar="SWEEP... [KEY=VALUE...]", help="Names or files of sweeps, and overrides."),
]
OptionalArguments = Annotated[
    list[str] | None,
    typer.Argument(metavar="[SWEEP...] [KEY=VALUE...]", help="Names or files of sweeps, and overrides."),
]
Scale = Annotated[str, typer.Option(help="Which scale of the sweep file: paper, laptop, …")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@dataclass(frozen=True)
class Request:
    """Sweeps at one scale, how their runs are carried out, and where they are stored."""

    composer: Composer
    sweeps: list[Sweep]
    execution: Execution
    store: Store

    def wanted(self, sweep: Sweep) -> list[WantedRun]:
        """Return the runs of one sweep."""
        return list(expand(sweep, self.composer))


@contextmanager
def open_request(arguments: Sequence[str], scale: str) -> Iterator[Request]:
    """Understand a command's arguments.

    Raises
    ------
    UsageError
        If a sweep or a key isn't there, or a value isn't allowed.
    """
    names = [argument for argument in arguments if "=" not in argument]
    if not names:
        raise UsageError("which sweep? Name one or more; `sgdlab list` shows all of them")
    with open_composer() as composer:
        overrides = composer.parse(expand_pow2(argument) for argument in arguments if "=" in argument)
        carried_out = {k: v for k, v in overrides.items() if k.partition(".")[0] in Execution.model_fields}
        about_runs = {key: value for key, value in overrides.items() if key not in carried_out}
        execution = validate_execution(composer, carried_out)
        sweeps = [load_sweep(find_sweep(name), scale, composer, about_runs) for name in names]
        yield Request(composer, sweeps, execution, Store(execution.folders.store))
