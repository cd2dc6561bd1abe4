"""The tutorial's sweep file is one that works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sgdlab.config.compose import open_composer
from sgdlab.sweeps.expand import expand
from sgdlab.sweeps.files import load_sweep
from sgdlab.sweeps.finding import find_sweep

TUTORIAL = Path(__file__).resolve().parents[1] / "docs" / "tutorial.md"


def test_the_tutorials_sweep_has_the_runs_that_it_speaks_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = TUTORIAL.read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "mine.yaml").write_text(example)
    monkeypatch.chdir(tmp_path)
    with open_composer() as composer:
        sweep = find_sweep("mine")
        runs = list(expand(load_sweep(sweep, "laptop", composer, {}), composer))
        wider = composer.parse(["optimizer.lr=" + ",".join(f"2**{k}" for k in range(-8, 1))])
        widened = list(expand(load_sweep(sweep, "laptop", composer, wider), composer))
    (promised,) = re.findall(r"# (\d+) runs, in which packs", text)
    assert len(runs) == int(promised) == len({run.key for run in runs})
    added = {run.key for run in widened} - {run.key for run in runs}
    assert "only the two new points" in text
    assert len(added) == 2 * 5
