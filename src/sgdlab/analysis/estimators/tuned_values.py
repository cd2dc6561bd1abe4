"""A metric along an axis, tuned at each value, seed by seed: what order and spread are made of.

Each seed is read at the point that is best for the other seeds. An optimum at an edge of its grid is an
obstacle: tuned any further, the value would be another.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sgdlab.analysis.estimators.reading import read_optimum
from sgdlab.analysis.estimators.seed_table import numbers_on, table_of
from sgdlab.analysis.points import GridRuns, restrict
from sgdlab.sweeps.selection import describe_where
from sgdlab.sweeps.spec import Protocol
from sgdlab.sweeps.tuned_claims import TunedClaim


@dataclass(frozen=True)
class TunedValues:
    """The tuned metric; over seeds that have all of it."""

    along: np.ndarray  # (K,) ascending
    values: np.ndarray  # (S, F, K) seeds, families (the values of all other axes), values of the axis
    remarks: tuple[str, ...]
    obstacle: str | None


def tuned_values(claim: TunedClaim, grids: Mapping[str, GridRuns], protocol: Protocol) -> TunedValues:
    """Read the metric of a claim at its optimum over the tuned axes, at all values of all other axes."""
    grid_runs = restrict(grids[claim.grid], claim.where)
    along = np.sort(numbers_on(grid_runs.grid.axes[claim.along], claim.grid))
    others = [axis for axis in grid_runs.swept_axes if axis not in (claim.along, *claim.tuned)]
    families = list(itertools.product(*(grid_runs.grid.axes[axis] for axis in others)))
    readings = [
        read_optimum(
            table_of(
                restrict(grid_runs, {**dict(zip(others, family, strict=True)), claim.along: value}),
                protocol,
                claim.metric,
            )
        )
        for family in families
        for value in along.tolist()
    ]
    seeds = sorted(set.intersection(*(set(reading.value_of) for reading in readings)))
    values = np.array([[reading.value_of[seed] for reading in readings] for seed in seeds])
    values = values.reshape(len(seeds), len(families), len(along))
    whole = np.isfinite(values).all(axis=(1, 2))
    obstacles = [
        *(reading.obstacle for reading in readings),
        *(reading.edge for reading in readings),
    ]
    return TunedValues(
        along=along,
        values=values[whole],
        remarks=tuple(dict.fromkeys(remark for reading in readings for remark in reading.remarks)),
        obstacle=next((obstacle for obstacle in obstacles if obstacle), None),
    )


def describe_tuned(claim: TunedClaim, grid_runs: GridRuns) -> str:
    """Say what is read: for the rule of an estimate."""
    where = f" at {describe_where(claim.where)}" if claim.where else ""
    others = [axis for axis in grid_runs.swept_axes if axis not in (claim.along, *claim.tuned, *claim.where)]
    mean = f", mean over {', '.join(others)}" if others else ""
    return (
        f"{claim.metric} of {claim.grid!r}{where} along {claim.along}, tuned over {', '.join(claim.tuned)} "
        f"on the other seeds{mean}"
    )
