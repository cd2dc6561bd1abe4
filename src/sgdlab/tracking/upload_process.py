"""The process that uploads: W&B's own command line, which ends with the process that started it.

By itself `wandb sync` would go on, and try for days to reach a server that is gone.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading


def main() -> None:
    """Do what ``wandb …`` does, until standard input is closed."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv[0] = "wandb"
    runpy.run_module("wandb", run_name="__main__")


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main()
