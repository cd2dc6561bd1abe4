"""The arguments that commands share, and which sweeps they name."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from sgdlab.sweeps.finding import names_meant_by
from sgdlab.sweeps.remembered import Inputs, recall, remember

_SWEEPS = "Names or files of sweeps, or a folder of them such as smith2021; and overrides."

Arguments = Annotated[
    list[str],
    typer.Argument(
        metavar="SWEEP... [KEY=VALUE...]",
        help=_SWEEPS,
    ),
]
OptionalArguments = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SWEEP...] [KEY=VALUE...]",
        help=_SWEEPS,
    ),
]
Scale = Annotated[str, typer.Option(help="Which scale of the sweep file: paper, laptop, …")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def arguments_or_all(arguments: Sequence[str] | None, scale: str) -> list[str]:
    """Return a command's arguments, with all sweeps that have the scale where none is named."""
    given = list(arguments or ())
    if any("=" not in argument for argument in given):
        return given
    return [*(name for name, scales in _scales_of_sweeps().items() if scale in scales), *given]


def names_at(argument: str, scale: str) -> list[str]:
    """Return the sweeps that an argument names; of a folder those that have the scale, if there are any."""
    named = names_meant_by(argument)
    if named == [argument]:
        return named
    scales = _scales_of_sweeps()
    if left_out := [name for name in named if scale not in scales[name]]:
        if len(left_out) == len(named):
            return named  # reading them says which scales there are
        print(f"without scale {scale}, and left out: {', '.join(left_out)}", file=sys.stderr)
    return [name for name in named if name not in left_out]


def _scales_of_sweeps() -> dict[str, list[str]]:
    """Return which scales each sweep has: to read all their files takes seconds, so it is remembered."""
    known, inputs = recall("scales"), Inputs.now()
    if known is None:
        from sgdlab.sweeps.files import describe_sweeps

        known = json.dumps({sweep.name: sweep.scales for sweep in describe_sweeps()}).encode()
        remember(inputs, known, "scales")
    scales: dict[str, list[str]] = json.loads(known)
    return scales
