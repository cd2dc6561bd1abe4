"""Difference of two curves at the axis values that both have, over a range or over a rival's difference.

A mean of absolute differences is never negative, and noise adds to it: of two curves that agree, the
estimate is about the standard error of a mean over the curve's range. So the claim to make is `below` a
bound. Beside a rival, noise draws the ratio towards 1, against the claim that a curve is the nearer one.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sgdlab.analysis.estimators.estimate import MIN_SEEDS, Estimate, percentile_interval, resample
from sgdlab.analysis.estimators.seed_table import curve_table_of, on_shared_seeds
from sgdlab.analysis.points import GridRuns
from sgdlab.errors import UsageError
from sgdlab.sweeps.claims import DifferenceClaim
from sgdlab.sweeps.spec import Protocol


def estimate_difference(
    claim: DifferenceClaim, grids: Mapping[str, GridRuns], protocol: Protocol
) -> Estimate:
    """Return mean |of − to| over what the claim says, with a percentile interval by bootstrap over seeds."""
    names = [claim.of, claim.to] + ([claim.rival] if claim.rival is not None else [])
    curves = [curve_table_of(grids[name], protocol, claim.metric) for name in names]
    axes, tables = [x for x, _ in curves], [table for _, table in curves]
    matched = [
        [x.index(value) for x in axes] for value in axes[0] if all(value in x for x in axes)
    ]  # for each value, its place on each curve
    if not matched:
        raise UsageError(
            f"a difference needs axis values in common, and {_and(list(map(repr, names)))} have none"
        )
    obstacle = next(filter(None, (table.unfinished() for table in tables)), None)
    tables = list(on_shared_seeds(*tables))
    num_seeds = len(tables[0].seeds)
    known = [places for places in matched if all(t.valued[i] for t, i in zip(tables, places, strict=True))]
    remarks = list(dict.fromkeys(gap for table in tables for gap in table.describe_gaps()))
    if len(known) < len(matched):
        where = "one curve" if claim.rival is None else "a curve"
        remarks.append(f"{len(matched) - len(known)} of {len(matched)} axis values lack a value on {where}")
    if num_seeds < MIN_SEEDS:
        which = "both curves" if claim.rival is None else "all curves"
        obstacle = obstacle or f"{num_seeds} seeds have values on {which}, {MIN_SEEDS} are needed"
    elif not known:
        obstacle = (
            obstacle or f"no axis value has a value on {'both' if claim.rival is None else 'all'} curves"
        )
    else:
        weights = np.vstack([np.ones((1, num_seeds)), resample(num_seeds)])  # the first row is everyone
        means = [table.means(weights) for table in tables]
        of, to, *rival = (m[:, [places[k] for places in known]] for k, m in enumerate(means))
        scale = _gap(rival[0], to) if rival else _span(means[1][:, tables[1].valued])
        ratio = np.divide(_gap(of, to), scale, out=np.full_like(scale, np.inf), where=scale > 0)
        if np.isfinite(ratio[0]):
            interval = percentile_interval(ratio[1:], ratio[1:], num_seeds)
            return Estimate(float(ratio[0]), interval, num_seeds, _rule(claim), tuple(remarks), obstacle)
        vanishing = f"{claim.to!r} spans no range" if not rival else f"{claim.rival!r} is {claim.to!r}"
        obstacle = obstacle or vanishing
    return Estimate(None, None, num_seeds, _rule(claim), tuple(remarks), obstacle)


def _rule(claim: DifferenceClaim) -> str:
    over = f"over the range that {claim.to} spans"
    if claim.rival is not None:
        over = f"over mean |{claim.rival} − {claim.to}|"
    values = f"{claim.metric} over the axis values in common"
    return f"mean |{claim.of} − {claim.to}| of {values}, {over}, bootstrap over seeds"


def _gap(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the mean distance of two curves, (R,)."""
    gap: np.ndarray = np.nanmean(np.abs(one - other), axis=1)
    return gap


def _span(curve: np.ndarray) -> np.ndarray:
    """Return the range that a curve spans, (R,)."""
    span: np.ndarray = np.nanmax(curve, axis=1) - np.nanmin(curve, axis=1)
    return span


def _and(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
