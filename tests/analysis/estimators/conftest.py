"""Judge one claim on made-up results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sgdlab.analysis.claims import Verdict, judge


@pytest.fixture
def judge_one(make_sweep, make_runs) -> Callable[..., Verdict]:
    """Return judge_one(claim, grids, value): the verdict; `unseen` names (grid, axis value) to be missing."""

    def run(claim, grids, value, num_seeds=5, keep=None, metric="test_accuracy.best", unseen=()) -> Verdict:
        full: dict[str, Any] = {"says": "made up", "metric": metric, **claim}
        if claim["kind"] == "optimum_ratio":
            full.pop("metric")
        sweep = make_sweep(grids, num_seeds, keep, claims=[full])
        runs = [
            replace(one, state="missing", metrics={})
            if (one.grid, next(iter(one.point.values()))) in unseen
            else one
            for one in make_runs(sweep, value, metric)
        ]
        (verdict,) = judge(sweep, runs)
        return verdict

    return run
