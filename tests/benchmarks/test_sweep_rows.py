"""A sample of a peer's runs is chosen and extrapolated as the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from performance import sweep_rows
from performance.sweep_rows import Sample, planned_runs
from sgdlab.config.schema import Run


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    return planned_runs("smoke")


def test_start_up_is_counted_once_and_the_rest_by_the_sample(runs: list[Run]) -> None:
    sample = Sample("joblib", tuple(runs[:4]), start_up_s=2.0)
    assert sample.extrapolate(wall_s=42.0, num_runs=100) == 2 + 100 / 4 * 40


def test_the_sweep_is_ten_learning_rates_by_ten_seeds(runs: list[Run]) -> None:
    assert len(runs) == 100
    assert len({(run.optimizer.lr, run.seed) for run in runs}) == 100
    assert {run.optimizer.lr for run in runs} == {2.0**power for power in range(-11, -1)}


def test_the_laptop_scale_trains_as_long_as_compilation_is_spread_over() -> None:
    from performance.work import CADENCE_EPOCHS, SWEEP_UPDATES

    (num_updates,) = {run.num_updates for run in planned_runs("laptop")}
    (evaluate_every,) = {run.evaluate_every_num_updates for run in planned_runs("laptop")}
    assert num_updates == SWEEP_UPDATES
    assert evaluate_every == CADENCE_EPOCHS * 4000 / 16


def test_runs_of_unequal_cost_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unequal = sweep_rows.SWEEP.read_text(encoding="utf-8")
    for written, changed in (
        ("optimizer.lr: pow2(-11, -2)", "optimizer.lr: [0.1]\n      optimizer.batch_size: [16, 32]"),
        ("x: optimizer.lr", "x: optimizer.batch_size"),
    ):
        unequal = unequal.replace(written, changed)
    (tmp_path / "unequal.yaml").write_text(unequal, encoding="utf-8")
    monkeypatch.setattr(sweep_rows, "SWEEP", tmp_path / "unequal.yaml")
    with pytest.raises(ValueError, match=r"unequal\.yaml: its runs don't cost the same"):
        planned_runs("laptop")
