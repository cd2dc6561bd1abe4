"""All commands together."""

from __future__ import annotations

import typer

from sgdlab.cli import dashboard, extend, measure, results, standing, sweeps, theory, training

app = typer.Typer(
    name="sgdlab",
    help="A laboratory for the implicit regularisation of SGD, run as sweeps.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for module in (sweeps, standing, extend, results, theory, training, measure, dashboard):
    module.register(app)
