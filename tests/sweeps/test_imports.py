"""Planning a hundred thousand runs must not wait for torch, and `sgdlab --help` for nothing."""

import json
import subprocess
import sys

import pytest

HEAVY = {
    "torch",
    "pytorch_lightning",
    "lightning",
    "wandb",
    "matplotlib",
    "plotly",
    "pandas",
    "scipy",
    "sklearn",
}

PLAN = """
import sys
from sgdlab.cli import main
sys.argv = ["sgdlab", "plan", "smith2021/fig1b", "--json", "folders.store=STORE"]
try:
    main()
except SystemExit as finished:
    assert not finished.code
"""


def heavy_modules_after(code: str) -> set[str]:
    code += "\nimport json, sys\nprint(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return HEAVY & set(json.loads(finished.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "module",
    ["sgdlab.sweeps.survey", "sgdlab.sweeps.forecast", "sgdlab.sweeps.plan", "sgdlab.analysis.claims"],
)
def test_a_module_of_planning_loads_nothing_heavy(module):
    assert not heavy_modules_after(f"import {module}")


def test_the_plan_command_loads_nothing_heavy(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert not heavy_modules_after(PLAN.replace("STORE", str(tmp_path)))
