"""The command: its rows, what it writes, and how it ends."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

import bench
from performance import page, stored
from performance.rows import Missing, Row, RowSpec, Variant
from performance.training_rows import FLOOR, SGDLAB

GOOD = RowSpec("plain-27-jax", "MLP", "JAX", 0.9)
MACHINE = {"processor": "a machine"}
VARIANTS = (Variant("MLP", SGDLAB, 25.0, 24.0, 26.0), Variant("MLP", FLOOR, 16.0, 16.0, 17.0))


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(stored, "STORED", tmp_path / "results" / "performance.json")
    monkeypatch.setattr(stored, "WORSE", tmp_path / "results" / "performance.worse.json")
    monkeypatch.setattr(page, "PAGE", tmp_path / "performance.md")
    monkeypatch.setattr(page, "PICTURE", tmp_path / "images" / "performance.svg")


def table(value: float) -> stored.Table:
    missing = Missing(RowSpec("cnn-bare", "CNN", "loop", 1.3), "no such model")
    return stored.Table(MACHINE, (Row(GOOD, value, value, value), missing), VARIANTS)


def test_every_row_has_a_name_of_its_own() -> None:
    names = [spec.name for section in bench.all_sections(is_quick=True) for spec in section.specs]
    assert len(set(names)) == len(names)


def test_a_row_a_group_or_all_are_wanted() -> None:
    sections = bench.all_sections(is_quick=True)
    assert bench._wanted(["plain-27-jax"], sections) == {"plain-27-jax"}
    assert bench._wanted(["wide"], sections) == {"wide-bare", "wide-floor"}
    assert bench._wanted([], sections) > {"sweep-joblib", "scale-plan", "exact-81-floor"}
    with pytest.raises(SystemExit, match=r"no row is called plain-28; there are: sweep, "):
        bench._wanted(["plain-28"], sections)


def test_the_table_is_stored_and_the_page_written(console: Console) -> None:
    assert bench._store(table(0.5), None, [], accept=False, console=console) == 0
    text = page.PAGE.read_text(encoding="utf-8")
    assert "| `plain-27-jax` | MLP | JAX | ≥ 0.9 × | 0.50 × |  | **no** |" in text
    assert "- `plain-27-jax` (MLP; JAX): 0.50 ×, aimed at ≥ 0.9 ×." in text
    assert "- `cnn-bare`: no such model." in text
    assert "| processor | a machine |" in text
    assert "<!--" not in text
    assert "floor 16" in page.PICTURE.read_text(encoding="utf-8")
    assert stored.read(stored.STORED) == table(0.5)


def test_a_worse_table_changes_nothing_until_it_is_accepted(console: Console) -> None:
    before, now = table(1.0), table(0.5)
    bench._store(before, None, [], accept=False, console=console)
    page_before = page.PAGE.read_bytes()
    worse = stored.worsened(before, now.rows, {"plain-27-jax"})
    assert bench._store(now, before, worse, accept=False, console=console) == 1
    assert stored.read(stored.STORED) == before
    assert stored.read(stored.WORSE) == now
    assert page.PAGE.read_bytes() == page_before
    assert bench._store(now, before, worse, accept=True, console=console) == 0
    assert stored.read(stored.STORED) == now
    assert not stored.WORSE.exists()
