"""Commands that don't train or draw start without the libraries that take seconds to import."""

import os
import subprocess
import sys

HEAVY = {"torch", "pytorch_lightning", "wandb", "matplotlib", "plotly", "pandas", "sklearn", "scipy"}
COMMANDS = ["--help", "list", "plan tiny", "status tiny", "status", "run tiny tracker=none", "train --help"]
PROGRAM = """
import sys
from sgdlab.cli import main
for command in sys.argv[1:]:
    sys.argv = ["sgdlab", *command.split()]
    try:
        main()
    except SystemExit as end:
        assert not end.code, command
    print("HEAVY", command, *sorted(HEAVY & sys.modules.keys()), sep="|")
"""


def test_light_commands_import_nothing_heavy(trained):
    finished = subprocess.run(
        [sys.executable, "-c", f"HEAVY = {HEAVY!r}{PROGRAM}", *COMMANDS],
        cwd=trained.folder,
        env=os.environ | {"XDG_CACHE_HOME": str(trained.folder / "cache")},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in finished.stdout.splitlines() if line.startswith("HEAVY")]
    assert lines == [f"HEAVY|{command}" for command in COMMANDS]
