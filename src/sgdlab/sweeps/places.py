"""Where the runs of a sweep stand: panel, grid, point and seed, in the order of its file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sgdlab.sweeps.spec import Sweep


@dataclass(frozen=True, slots=True)
class Place:
    """What one run is asked for: by one grid of one panel, at one point, with one seed."""

    panel: str
    grid: str
    point: Mapping[str, Any]  # axis → value
    seed: int


def places(sweep: Sweep) -> Iterator[Place]:
    """Stream the places of a sweep: one for each run that `expand` yields, in the same order."""
    for panel_name, panel in sweep.panels.items():
        for grid_name, grid in panel.grids.items():
            for point in grid.points():
                for seed in range(sweep.protocol.num_seeds):
                    yield Place(panel_name, grid_name, point, seed)
