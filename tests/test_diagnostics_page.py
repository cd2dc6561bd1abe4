"""What docs/diagnostics.md says in code runs, and its lists are complete."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest
import yaml

from sgdlab.config.compose import open_composer
from sgdlab.config.landscape import METRICS, MeasuredLandscape, num_example_gradients
from sgdlab.sweeps.expand import expand
from sgdlab.sweeps.files import load_sweep
from sgdlab.sweeps.finding import find_sweep

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "diagnostics.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def test_every_python_block_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    torch.manual_seed(0)
    monkeypatch.chdir(tmp_path)  # Lightning leaves logs and a checkpoint
    page: dict[str, object] = {}
    assert len(blocks("python")) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's advice on workers and logging
        for block in blocks("python"):
            exec(block, page)
    assert page["steps"] == [0, 20, 40]
    assert all(value > 0 for value in page["sharpness"])
    printed = capsys.readouterr().out
    assert re.search(r"measuring took \d+% of the time", printed)
    noise, of_ghosts = (float(value) for value in re.findall(r"tensor\(\[([\d.]+)\]", printed)[::2])
    assert of_ghosts < noise


def test_the_sweep_measures_what_it_asks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = blocks("yaml")
    tutorial = (Path(__file__).resolve().parents[1] / "docs" / "tutorial.md").read_text()
    (sweep,) = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", tutorial, flags=re.DOTALL))
    sweep["base"] |= yaml.safe_load(block)["base"]
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "mine.yaml").write_text(yaml.safe_dump(sweep))
    monkeypatch.chdir(tmp_path)
    with open_composer() as composer:
        rows = list(expand(load_sweep(find_sweep("mine"), "laptop", composer, {}), composer))
    asked = MeasuredLandscape(quantities=("noise", "sharpness", "interaction"), num_examples=256)
    assert {row.run.landscape for row in rows} == {asked}


def test_every_quantity_is_in_the_table_with_its_curves_and_its_cost() -> None:
    for quantity, names in METRICS.items():
        (row,) = re.findall(rf"^\| `{quantity}` \|(.*)\|$", PAGE, flags=re.MULTILINE)
        told, cost = row.rsplit(" | ", 1)
        for name in names:
            stem = re.sub(r"_\d+$", "_p", name)
            assert f"`{stem}`" in told or (name.startswith("relative_") and "`relative_…`" in told), name
        settings = MeasuredLandscape(quantities=(quantity,))
        reckoned = num_example_gradients(settings, 10**6, 10, 1) / 10**6
        assert int(cost) == pytest.approx(reckoned, abs=0.6), quantity
