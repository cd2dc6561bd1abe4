"""Made-up sweeps and runs, with results that are known in advance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from sgdlab.analysis.observations import Observation
from sgdlab.sweeps.spec import Sweep

ACCURACY = "test_accuracy.best"


@pytest.fixture
def make_sweep() -> Callable[..., Sweep]:
    """Return a function that builds a sweep from its grids' axes."""

    def build(
        grids: Mapping[str, Mapping[str, Sequence[Any]]],
        num_seeds: int = 3,
        keep: int | None = None,
        claims: Sequence[Mapping[str, Any]] = (),
        panels: Sequence[str] = ("main",),
        **drawing: Any,
    ) -> Sweep:
        first = next(iter(grids))
        x, *others = grids[first]
        defaults = {"x": x, "x_label": "x", "y_label": "y", "curves": [{"grid": first, "metric": ACCURACY}]}
        if others and not drawing:
            defaults |= {"kind": "optima", "tuned": others}
        grid_specs = {name: {"label": name, "axes": dict(axes)} for name, axes in grids.items()}
        return Sweep.model_validate(
            {
                "name": "made/up",
                "paper": "made",
                "figure": "up",
                "title": "Made up",
                "scale": "laptop",
                "protocol": {"num_seeds": num_seeds, "keep": keep or num_seeds},
                "panels": {name: {"title": name, "grids": grid_specs} for name in panels},
                "drawing": {**defaults, **drawing},
                "claims": list(claims),
            }
        )

    return build


@pytest.fixture
def make_runs() -> Callable[..., list[Observation]]:
    """Return a function that builds the runs of a sweep from value(grid, point, seed): None is diverged."""

    def build(
        sweep: Sweep,
        value: Callable[[str, Mapping[str, Any], int], float | None],
        metric: str = ACCURACY,
    ) -> list[Observation]:
        runs = []
        for panel_name, panel in sweep.panels.items():
            for grid_name, grid in panel.grids.items():
                for point in grid.points():
                    values = point.values()
                    for seed in range(sweep.protocol.num_seeds):
                        y = value(grid_name, point, seed)
                        key = f"{panel_name}-{grid_name}-{'-'.join(map(str, values))}-{seed}"
                        state = "done" if y is not None else "diverged"
                        metrics = {} if y is None else {ACCURACY: y, metric: y}
                        runs.append(Observation(panel_name, grid_name, point, seed, key, state, metrics))
        return runs

    return build
