"""Figures to draw: those of shipped sweeps with made-up runs, and a heat map with contours."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable

import numpy as np
import pytest

from sgdlab.analysis.figure_series import figure_series
from sgdlab.analysis.observations import Observation
from sgdlab.analysis.series import Contour, FigureSeries, HeatMap, PanelSeries
from sgdlab.config.compose import open_composer
from sgdlab.sweeps.files import load_sweep
from sgdlab.sweeps.finding import find_sweep
from sgdlab.sweeps.places import places

UPDATES = np.arange(0, 15_000, 250)


@pytest.fixture(scope="session")
def shipped() -> Callable[[str], FigureSeries]:
    """Return the figure of a shipped sweep at laptop scale, whatever it draws; one run in ten diverges."""
    with open_composer() as composer:
        yield lambda name: _made_up(load_sweep(find_sweep(name), "laptop", composer, {}))


def _made_up(sweep) -> FigureSeries:
    text = sweep.model_dump_json()
    names = set(re.findall(r'"(\w+(?:\.\w+)?)\.(?:best|final|curve)"', text))
    runs = []
    for place in places(sweep):
        key = f"{place.panel} {place.grid} {dict(place.point)} {place.seed}"
        drawn = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4]) / 2**32
        metrics = {f"{name}.{summary}": 0.5 + 0.3 * drawn for name in names for summary in ("best", "final")}
        curves = {name: 2 * drawn + np.sin(UPDATES / 3_000) ** 2 for name in names}
        state = "diverged" if drawn > 0.9 else "done"
        runs.append(
            Observation(
                place.panel,
                place.grid,
                place.point,
                place.seed,
                key,
                state,
                metrics if state == "done" else {},
                {"updates": UPDATES, **curves},
            )
        )
    return figure_series(sweep, runs)


@pytest.fixture
def heat_map() -> FigureSeries:
    """8 x 6 cells, contours of a family of which two leave the panel side by side, and one of another."""
    sizes, rates = [2**k for k in range(3, 11)], [2.0**k for k in range(-8, -2)]
    mean = tuple(tuple(0.7 + 0.01 * math.log2(b * rate) for b in sizes) for rate in rates)
    contours = (
        Contour("b/η", 2.0**-6, (((64, rates[0]), (512.0, rates[-1])),)),
        Contour("b/η", 2.0**-5, (((72, rates[0]), (530.0, rates[-1])),)),
        Contour("ρ_{b}/η", 4, (((8, 2.0**-6), (1024, 2.0**-5)),)),
    )
    counts, nothing = ((7,) * 8,) * 6, ((None,) * 8,) * 6
    cells = HeatMap("m", "accuracy", tuple(sizes), tuple(rates), mean, nothing, counts, (), (), contours)
    panel = PanelSeries("main", "digits", "linear", (), None, heat_map=cells)
    return FigureSeries("n", "t", "heat_map", "batch size b", "learning rate η", "linear", (panel,), ("c",))
