"""How the runs behind a point look: in a terminal a table for each point and metric, or JSON."""

from __future__ import annotations

from collections.abc import Sequence

from sgdlab.analysis.explain import Explanation, record_of_explanation
from sgdlab.analysis.points import describe_point
from sgdlab.cli.output import console, print_json, table
from sgdlab.cli.results_view import format_interval, format_spread
from sgdlab.sweeps.spec import Sweep


def print_explanations(explained: Sequence[tuple[Sweep, Sequence[Explanation]]], as_json: bool) -> None:
    """Print what stands behind the points of one sweep or several."""
    if as_json:
        print_json(
            [
                {"sweep": f"{sweep.name} @ {sweep.scale}", "points": [*map(record_of_explanation, points)]}
                for sweep, points in explained
            ]
        )
        return
    for sweep, points in explained:
        print(f"{sweep.name} @ {sweep.scale}: {sweep.title}")
        for explanation in points:
            _print(sweep, explanation)


def _print(sweep: Sweep, explanation: Explanation) -> None:
    summary, protocol = explanation.summary, sweep.protocol
    print(f"\n{summary.panel}/{summary.grid} at {describe_point(summary.point)} · {summary.metric}")
    value = format_spread(summary.best) if summary.note is None else f"no value: {summary.note}"
    print(f"best {protocol.keep} of {protocol.num_seeds} by {protocol.rank_by}: {value}")
    everyone = f"all {len(summary.finite)} finite runs: {format_spread(summary.unselected)}"
    if summary.unselected_interval is not None:
        everyone += f", 95 % {format_interval(summary.unselected_interval)}"
    if explanation.interval_over_images is not None:
        everyone += f", over test images too {format_interval(explanation.interval_over_images)}"
    print(everyone)
    listing = table("seed", "run", "state", protocol.rank_by, "", numeric=("seed", protocol.rank_by))
    is_ranked_by_another = summary.metric != protocol.rank_by
    if is_ranked_by_another:
        listing.add_column(summary.metric, justify="right")
    for run in explanation.runs:
        cells = [str(run.seed), run.key[:12] or "–", run.state, _number(run.rank_value), run.why]
        listing.add_row(*cells, *([_number(run.value)] if is_ranked_by_another else []))
    console().print(listing)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}"
