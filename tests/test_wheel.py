"""The wheel carries conf/ and sweeps/, and works outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and unpack it, as an installer would."""
    folder = tmp_path_factory.mktemp("wheel")
    script = f"import hatchling.build; print(hatchling.build.build_wheel({str(folder)!r}))"
    built = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    with zipfile.ZipFile(folder / built.stdout.split()[-1]) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def sgdlab(site: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the unpacked wheel's command line, away from the checkout."""
    script = "import sgdlab, sys; print(sgdlab.__file__); from sgdlab.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(site), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=cwd, env=environment, capture_output=True, text=True
    )


def test_the_wheel_lists_and_plans_its_own_sweeps(installed: Path, tmp_path: Path) -> None:
    listed = sgdlab(installed, tmp_path, "list")
    assert listed.stdout.startswith(str(installed)), listed.stderr
    assert "smith2021/fig1b" in listed.stdout
    planned = sgdlab(installed, tmp_path, "plan", "smith2021/fig1b", "--scale", "paper")
    assert "1,400,000,000 updates" in planned.stdout, planned.stderr


def test_a_users_own_folders_come_first(installed: Path, tmp_path: Path) -> None:
    own = tmp_path / "conf" / "model"
    own.mkdir(parents=True)
    (own / "mlp.yaml").write_text("kind: mlp\nhidden_widths: [7]\n")
    (tmp_path / "sweeps" / "own").mkdir(parents=True)
    shipped = installed / "sgdlab" / "shipped" / "sweeps" / "smith2021"
    for name in ("_fig1.yaml", "fig2a.yaml"):
        (tmp_path / "sweeps" / "own" / name).write_text((shipped / name).read_text())
    listed = sgdlab(installed, tmp_path, "list")
    assert "own/fig2a" in listed.stdout, listed.stderr
    shown = sgdlab(installed, tmp_path, "train", "--cfg", "job")
    assert "hidden_widths:\n  - 7" in shown.stdout, shown.stderr
