"""How the extension of a sweep looks: a line for each optimum, and what its curve lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sgdlab.analysis.extension import Assessment
from sgdlab.analysis.points import describe_point
from sgdlab.analysis.tuning import Bar, bar_of
from sgdlab.cli.output import console, table
from sgdlab.cli.plan_view import print_forecast
from sgdlab.config.durations import describe_duration
from sgdlab.config.numbers import format_number
from sgdlab.dashboard.extension_cost import PricedAddition, PricedAssessment, Proposal

_NUMERIC = ("runs", "updates", "time")


def print_proposal(proposal: Proposal) -> None:
    """Print each optimum with its error bar, what is missing beyond it, and what that takes."""
    sweep = proposal.sweep
    print(
        f"{sweep.name} @ {sweep.scale}: neither an optimum nor its error bar may touch the edge of its grid\n"
    )
    if not proposal.curves:
        print("nothing is tuned: the drawing marks no optimum, and no claim speaks of one")
        return
    listing = table("curve", "optimum", "state", "to add", *_NUMERIC, numeric=_NUMERIC)
    for curve in proposal.curves:
        first, *more = curve.additions or (None,)
        optimum = _describe_optimum(curve.assessment)
        listing.add_row(_name(proposal, curve.assessment), optimum, _state(curve), *_cells(first))
        for addition in more:
            listing.add_row("", "", "", *_cells(addition))
    console().print(listing)
    print(f"\n{_summary(proposal.curves)}")
    if proposal.expected.num_distinct:
        print()
        print_forecast(proposal.expected)
        print(f"\nnext       sgdlab extend {sweep.name} --submit")


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


def _name(proposal: Proposal, one: Assessment) -> str:
    """Name a curve: its panel where there are several, its grid, its place, and its metric."""
    own = one.problem.grid_runs
    panel = f"{own.panel_name}/" if len(proposal.sweep.panels) > 1 else ""
    at = {
        axis.rpartition(".")[2]: value
        for axis, value in one.problem.at.items()
        if len(own.grid.axes[axis]) > 1
    }
    return " ".join(filter(None, [f"{panel}{own.grid_name}", describe_point(at), one.problem.metric]))


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


def _state(curve: PricedAssessment) -> str:
    one = curve.assessment
    extended = f" (extended {one.round}×)" if one.round else ""
    return (
        f"{one.why}{extended}"
        if one.standing == "interior"
        else f"{one.standing.upper()}: {one.why}{extended}"
    )


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
    standings = [curve.assessment.standing for curve in curves]
    words = [f"{standings.count(one)} {one}" for one in dict.fromkeys(standings)]
    return f"{len(curves)} optima: {', '.join(words)}"
