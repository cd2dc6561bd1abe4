"""How the extension of a sweep looks: a line for each optimum, and what its curve lacks."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from sgdlab.analysis.extension import Assessment
from sgdlab.analysis.points import describe_point
from sgdlab.analysis.tuning import Bar, bar_of
from sgdlab.cli.output import aligned
from sgdlab.cli.plan_view import print_forecast
from sgdlab.config.durations import describe_duration
from sgdlab.config.numbers import format_number
from sgdlab.orchestration.extension_cost import PricedAddition, PricedAssessment, Proposal

_HEADING = ("at", "optimum and its error bar", "to add", "runs", "updates", "time", "state")


def print_proposal(proposal: Proposal) -> None:
    """Print each optimum with its error bar, what is missing beyond it, and what that takes."""
    sweep = proposal.sweep
    print(
        f"{sweep.name} @ {sweep.scale}: neither an optimum nor its error bar may touch the edge of its grid"
    )
    for (panel, grid, metric, tuned), curves in groupby(proposal.curves, key=_family):
        label = sweep.panels[panel].grids[grid].label
        print(f"\n{panel}/{grid}: {label} · best {metric} over {', '.join(tuned)}")
        rows = [_HEADING, *(row for curve in curves for row in _rows(curve))]
        columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
        sys.stdout.writelines(aligned(columns, len(columns)))
    print(f"\n{_summary(proposal.curves)}")
    if proposal.expected.num_distinct:
        print("\nto be added")
        print_forecast(proposal.expected)


def record_of_proposal(proposal: Proposal) -> dict[str, Any]:
    """Return a proposal ready for JSON."""
    return {
        "sweep": f"{proposal.sweep.name} @ {proposal.sweep.scale}",
        "curves": [_record(curve) for curve in proposal.curves],
        "expected": proposal.expected.to_dict(),
    }


def _record(curve: PricedAssessment) -> dict[str, Any]:
    one = curve.assessment
    own = one.problem.grid_runs
    return {
        "panel": own.panel_name,
        "grid": own.grid_name,
        "at": dict(one.problem.at),
        "metric": one.problem.metric,
        "tuned": list(one.problem.tuned),
        "asked_by": list(one.problem.asked_by),
        "optimum": {axis: asdict(bar) for axis, bar in _bars(one).items()},
        "standing": one.standing,
        "why": one.why,
        "edges": [f"{edge.axis} {edge.side}" for edge in one.edges],
        "round": one.round,
        "additions": [
            {
                "axis": priced.addition.axis,
                "side": priced.addition.side,
                "values": list(priced.addition.values),
                "points": [dict(point) for point in priced.addition.points],
                "num_runs": priced.num_runs,
                "num_to_train": priced.expected.num_to_train,
                "num_updates": priced.expected.num_updates,
                "device_hours": priced.expected.device_hours,
            }
            for priced in curve.additions
        ],
    }


def _family(curve: PricedAssessment) -> tuple[str, str, str, tuple[str, ...]]:
    problem = curve.assessment.problem
    return problem.grid_runs.panel_name, problem.grid_runs.grid_name, problem.metric, problem.tuned


def _rows(curve: PricedAssessment) -> Iterator[tuple[str, ...]]:
    """Yield a line for each end at which something is to be added; one where nothing is."""
    one = curve.assessment
    axes = one.problem.grid_runs.grid.axes
    at = {axis.rpartition(".")[2]: value for axis, value in one.problem.at.items() if len(axes[axis]) > 1}
    first, *more = curve.additions or (None,)
    yield (describe_point(at), _describe_optimum(one), *_cells(first), _state(one))
    for addition in more:
        yield ("", "", *_cells(addition), "")


def _describe_optimum(one: Assessment) -> str:
    """Write the optimum and its error bar on each tuned axis: ``lr 2**-3 (2**-4 to 2**-2)``."""
    return ", ".join(
        f"{axis.rpartition('.')[2]} {format_number(bar.best)} "
        f"({format_number(bar.low)} to {format_number(bar.high)})"
        for axis, bar in _bars(one).items()
    )


def _bars(one: Assessment) -> dict[str, Bar]:
    if one.optimum is None:
        return {}
    return {axis: bar_of(one.optimum, one.problem.grid_runs, axis) for axis in one.problem.tuned}


def _state(one: Assessment) -> str:
    extended = f" (extended {one.round}×)" if one.round else ""
    standing = "" if one.standing == "interior" else f"{one.standing.upper()}: "
    return f"{standing}{one.why}{extended}"


def _cells(priced: PricedAddition | None) -> list[str]:
    """Return what is to be added, its runs, updates and time."""
    if priced is None:
        return ["", "", "", ""]
    addition, expected = priced.addition, priced.expected
    values = ", ".join(map(format_number, addition.values))
    hours = expected.device_hours
    return [
        f"{addition.axis.rpartition('.')[2]} {addition.side}: {values}",
        f"{expected.num_to_train}",
        f"{expected.num_updates:,}",
        "unknown" if hours is None else describe_duration(3600 * hours),
    ]


def _summary(curves: Sequence[PricedAssessment]) -> str:
    if not curves:
        return "nothing is tuned: the drawing marks no optimum, and no claim speaks of one"
    standings = [curve.assessment.standing for curve in curves]
    words = [f"{standings.count(one)} {one}" for one in dict.fromkeys(standings)]
    return f"{'1 optimum' if len(curves) == 1 else f'{len(curves)} optima'}: {', '.join(words)}"
