"""The command line: each command parses, calls one function, and prints."""

from __future__ import annotations

import gc
import os
import sys

from sgdlab.errors import UserError

_INTERRUPTED = 130
_ALLOCATIONS = 100_000  # between two collections of garbage: a hundred thousand runs are looked at less often


def main() -> None:
    """Run a command; exit codes: 0 done, 1 the work failed, 2 wrong usage, 130 interrupted."""
    gc.set_threshold(_ALLOCATIONS, 20, 20)
    try:
        sys.exit(_run())
    except UserError as error:
        _print_error(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _print_error("interrupted: nothing is lost; the same command goes on where it was")
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _run() -> int:
    from sgdlab.cli.app import app  # takes a moment, in which Ctrl-C is Ctrl-C, too

    try:
        app(standalone_mode=True)
    except SystemExit as end:
        if end.code == _INTERRUPTED:  # how typer ends on Ctrl-C, without a word
            raise KeyboardInterrupt from end
        sys.stdout.flush()  # here a reader who is gone can still be dealt with
        return end.code if isinstance(end.code, int) else 0
    return 0


def _print_error(message: str) -> None:
    print(f"sgdlab: {message}", file=sys.stderr)
