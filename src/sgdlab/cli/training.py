"""``sgdlab train``: one run, or a multirun, in Hydra's own command line."""

from __future__ import annotations

import sys

import typer

from sgdlab.config.numbers import expand_pow2


def register(app: typer.Typer) -> None:
    """Add the command."""
    passes_all_on = {"allow_extra_args": True, "ignore_unknown_options": True}
    app.command("train", context_settings=passes_all_on, add_help_option=False)(train)


def train(context: typer.Context) -> None:
    """Train one run, or with -m every combination, as Hydra's command line has it."""
    from sgdlab.orchestration.hydra_app import hydra_main

    sys.argv = ["sgdlab train", *(_as_hydra_wants(argument) for argument in context.args)]
    hydra_main()


def _as_hydra_wants(argument: str) -> str:
    """Expand pow2(…), and let keys be set that no file in conf/ mentions: the schema judges them."""
    key, equals, _ = argument.partition("=")
    is_value = equals and "." in key and key[0].isalpha() and not key.startswith("hydra.")
    return ("++" if is_value else "") + expand_pow2(argument)
