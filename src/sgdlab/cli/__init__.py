"""The command line: each command parses, calls one function, and prints."""

from __future__ import annotations

import os
import sys

import typer

from sgdlab.cli import results, sweeps, training
from sgdlab.cli.output import print_error
from sgdlab.errors import UserError

app = typer.Typer(
    name="sgdlab",
    help="A laboratory for the implicit regularisation of SGD, run as sweeps.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for module in (sweeps, results, training):
    module.register(app)


def main() -> None:
    """Run a command; exit codes: 0 done, 1 the work failed, 2 wrong usage, 130 interrupted."""
    try:
        app(standalone_mode=True)
    except UserError as error:
        print_error(str(error))
        sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code == 130:  # how typer ends on Ctrl-C, without a word
            print_error("interrupted: nothing is lost; the same command goes on where it was")
        raise
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
