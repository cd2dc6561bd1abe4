"""All commands together."""

from __future__ import annotations

import typer

from sgdlab.cli import (
    dashboard,
    extend,
    figure,
    measure,
    results,
    standing,
    sweeps,
    sync,
    theory,
    training,
    watch,
    workspace,
)

app = typer.Typer(
    name="sgdlab",
    help="A laboratory for the implicit regularisation of SGD, run as sweeps.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for module in (
    sweeps,
    standing,
    watch,
    dashboard,
    extend,
    results,
    figure,
    theory,
    training,
    measure,
    sync,
    workspace,
):
    module.register(app)
