"""Collapse: whether curves lie closer together against one axis than against another.

The spread of a family of curves is the root mean square difference of each two of them, interpolated linearly
in log2 of the axis onto the range that the two share. Only pairs that share a range on both axes enter, so
both spreads are over the same pairs. Interpolation is linear in the means, and so one matrix for each axis.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sgdlab.analysis.estimators.estimate import MIN_SEEDS, Estimate, percentile_interval, resample
from sgdlab.analysis.estimators.seed_table import SeedTable, numbers_on, on_shared_seeds, table_of
from sgdlab.analysis.points import GridRuns
from sgdlab.config.numbers import format_number
from sgdlab.sweeps.claims import CollapseClaim
from sgdlab.sweeps.spec import Protocol

_NUM_POSITIONS = 33  # on each shared range; grids of a paper have fewer points


@dataclass(frozen=True)
class _Family:
    """The curves of a grid: for each, the indices of its points that have a value and a logarithm."""

    names: tuple[str, ...]
    members: tuple[np.ndarray, ...]


def estimate_collapse(claim: CollapseClaim, grids: Mapping[str, GridRuns], protocol: Protocol) -> Estimate:
    """Return the spread against `axis` over the spread against `rival`, bootstrap over seeds."""
    grid_runs = grids[claim.grid]
    rule = (
        f"spread of {claim.metric} between curves of {claim.curves} against {claim.axis}, over their spread "
        f"against {claim.rival}, interpolated in log2, bootstrap over seeds"
    )
    table = table_of(grid_runs, protocol, claim.metric)
    obstacle = table.unfinished()
    (table,) = on_shared_seeds(table)
    num_seeds = len(table.seeds)
    log2_x = [_log2(grid_runs, expression) for expression in (claim.axis, claim.rival)]
    family = _family(grid_runs, table, claim.curves, np.isfinite(log2_x[0]) & np.isfinite(log2_x[1]))
    pairs, apart = _pairs_that_overlap(family, log2_x)
    remarks = list(table.describe_gaps())
    if apart:
        remarks.append(f"curves {', '.join(apart)} share no range and are not compared")
    if num_seeds < MIN_SEEDS:
        obstacle = obstacle or f"{num_seeds} seeds have values, {MIN_SEEDS} are needed"
    elif not pairs:
        obstacle = obstacle or "no two curves share a range on both axes"
    else:
        weights = np.vstack([np.ones((1, num_seeds)), resample(num_seeds)])  # the first row is everyone
        means = table.means(weights)
        means = np.where(np.isfinite(means), means, np.nan_to_num(means[:1]))
        of_axis, of_rival = (_root_mean_square(means, family, pairs, x) for x in log2_x)
        if of_rival[0] > 0:
            ratio = np.divide(of_axis, of_rival, out=np.full_like(of_axis, np.inf), where=of_rival > 0)
            interval = percentile_interval(ratio[1:], ratio[1:], num_seeds)
            return Estimate(float(ratio[0]), interval, num_seeds, rule, tuple(remarks), obstacle)
        obstacle = obstacle or f"the curves don't differ against {claim.rival}"
    return Estimate(None, None, num_seeds, rule, tuple(remarks), obstacle)


def _log2(grid_runs: GridRuns, expression: str) -> np.ndarray:
    x = numbers_on(grid_runs.values_of(expression), grid_runs.grid_name)
    log2_x: np.ndarray = np.log2(x, out=np.full_like(x, -np.inf), where=x > 0)
    return log2_x


def _family(grid_runs: GridRuns, table: SeedTable, axis: str, has_logarithm: np.ndarray) -> _Family:
    of_point = grid_runs.values_of(axis)
    usable = table.valued & has_logarithm
    values = list(dict.fromkeys(of_point))
    members = [
        np.array([i for i, v in enumerate(of_point) if v == value and usable[i]], int) for value in values
    ]
    return _Family(tuple(format_number(value) for value in values), tuple(members))


def _pairs_that_overlap(family: _Family, log2_x: list[np.ndarray]) -> tuple[list[tuple[int, int]], list[str]]:
    pairs, apart = [], []
    for a, b in itertools.combinations(range(len(family.members)), 2):
        shared = [_shared_range(x, family.members[a], family.members[b]) for x in log2_x]
        if all(low < high for low, high in shared):
            pairs.append((a, b))
        else:
            apart.append(f"{family.names[a]} and {family.names[b]}")
    return pairs, apart


def _shared_range(x: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    if a.size == 0 or b.size == 0:
        return np.inf, -np.inf
    return max(x[a].min(), x[b].min()), min(x[a].max(), x[b].max())


def _root_mean_square(
    means: np.ndarray, family: _Family, pairs: list[tuple[int, int]], x: np.ndarray
) -> np.ndarray:
    """Return the root mean square difference of pairs at shared positions of means (R, P): (R,)."""
    squares = np.zeros(len(means))
    for a, b in pairs:
        low, high = _shared_range(x, family.members[a], family.members[b])
        positions = np.linspace(low, high, _NUM_POSITIONS)
        first = _interpolated(means, x, family.members[a], positions)
        second = _interpolated(means, x, family.members[b], positions)
        squares += np.square(first - second).sum(axis=1)
    root: np.ndarray = np.sqrt(squares / (len(pairs) * _NUM_POSITIONS))
    return root


def _interpolated(means: np.ndarray, x: np.ndarray, members: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return one curve, of means (R, P), interpolated linearly between its members: (R, Q)."""
    order = members[np.argsort(x[members])]
    weights = np.array([np.interp(positions, x[order], unit) for unit in np.eye(len(order))])
    curve: np.ndarray = means[:, order] @ weights
    return curve
