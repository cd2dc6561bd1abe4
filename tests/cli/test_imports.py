"""Commands that don't train or draw start without the libraries that take seconds to import."""

import os
import subprocess
import sys

HEAVY = {"torch", "pytorch_lightning", "wandb", "matplotlib", "plotly", "pandas", "sklearn", "scipy"}
COMMANDS = [
    *("--help", "list", "plan tiny", "status tiny", "status", "status tiny --verify", "retry tiny"),
    *("migrate", "run tiny tracker=none", "train --help", "theory --list"),
]
RESULTS = ["results tiny", "results tiny --json", "results tiny --csv"]
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


def test_help_loads_nothing_that_composes_or_computes():
    program = "import sys, sgdlab.cli.app; print(*{'hydra', 'omegaconf', 'numpy', 'rich'} & {*sys.modules})"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == ""


def test_light_commands_import_nothing_heavy(trained):
    finished = subprocess.run(
        [sys.executable, "-c", f"HEAVY = {HEAVY!r}{PROGRAM}", *COMMANDS, *RESULTS],
        cwd=trained.folder,
        env=os.environ | {"XDG_CACHE_HOME": str(trained.folder / "cache")},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in finished.stdout.splitlines() if line.startswith("HEAVY")]
    intervals = [f"HEAVY|{command}|scipy" for command in RESULTS]  # quantiles, where a sweep has claims
    assert lines == [*(f"HEAVY|{command}" for command in COMMANDS), *intervals]
