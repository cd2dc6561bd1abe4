"""The rows of `sgdlab results`: points by the protocol, beside unselected values, and what is left out."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TextIO

from sgdlab.analysis.claims import Verdict
from sgdlab.analysis.coverage import bar_coverage
from sgdlab.analysis.image_resampling import ReadCurves, interval_over_images
from sgdlab.analysis.observations import Observation
from sgdlab.analysis.optimum import Edge, find_optimum
from sgdlab.analysis.points import GridRuns, arrange, describe_point, place_beside
from sgdlab.analysis.protocol import PointSummary, summarize_curve
from sgdlab.sweeps.spec import Protocol, Sweep


@dataclass(frozen=True)
class ResultRow:
    """One point of one grid in one metric, and its place on the grid."""

    summary: PointSummary
    is_optimum: bool  # of the grid, or of the part that is tuned together; several rows where they tie
    in_error_bar: bool  # within one standard deviation of the optimum
    edges: tuple[Edge, ...]  # ends of the grid that optimum or error bar touch; on the optimum's row
    bar_coverage: float | None = None  # on the optimum's row: how often its error bar holds the best point
    interval_over_images: tuple[float, float] | None = None  # of the mean over all runs; where asked for


def rows(
    sweep: Sweep, observations: Iterable[Observation], read_curves: ReadCurves | None = None
) -> list[ResultRow]:
    """Return a row for each panel, grid, metric and point, in the order of the sweep file.

    A grid has the metrics that the figure draws of it. One that isn't drawn, or drawn over training, has the
    metric that ranks its runs. Where curves can be read, test images are resampled too.
    """
    arranged = arrange(sweep, observations)
    result = []
    for grid_runs in arranged.values():
        for metric in drawn_metrics(sweep, grid_runs.grid_name):
            summaries = summarize_curve(grid_runs, sweep.protocol, metric)
            found = _rows_of(summaries, _places_of_optima(sweep, grid_runs), sweep.protocol)
            if read_curves is not None:
                found = [
                    replace(row, interval_over_images=interval_over_images(runs, metric, read_curves))
                    for row, runs in zip(found, grid_runs.runs, strict=True)
                ]
            result += found
    return result


def record_of_row(row: ResultRow) -> dict[str, Any]:
    """Return a row flat and ready for JSON or CSV; None where there is no value."""
    summary = row.summary
    record: dict[str, Any] = {
        "panel": summary.panel,
        "grid": summary.grid,
        **summary.point,
        "metric": summary.metric,
    }
    for name, spread in (
        ("best", summary.best),
        ("unselected", summary.unselected),
        ("honest", summary.honest),
    ):
        record[f"{name}_mean"] = None if spread is None else spread.mean
        record[f"{name}_std"] = None if spread is None else spread.std
    record["unselected_low"], record["unselected_high"] = summary.unselected_interval or (None, None)
    if row.interval_over_images is not None:
        record["unselected_low_over_images"], record["unselected_high_over_images"] = row.interval_over_images
    for count in ("asked", "done", "diverged", "failed", "missing", "spared"):
        record[f"num_{count}"] = getattr(summary, f"num_{count}")
    record["kept_seeds"] = list(summary.kept_seeds)
    record["is_optimum"] = row.is_optimum
    record["in_error_bar"] = row.in_error_bar
    record["bar_coverage"] = row.bar_coverage
    record["edges"] = [f"{edge.axis} {edge.side}" for edge in row.edges]
    record["note"] = summary.note
    record["left_out"] = [asdict(run) for run in summary.left_out]
    return record


def record_of_verdict(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict ready for JSON, which has no infinity: None stands for an unbounded end."""
    record = asdict(verdict) | {"claim": verdict.claim.model_dump(mode="json")}
    if verdict.interval is not None:
        record["interval"] = [end if math.isfinite(end) else None for end in verdict.interval]
    return record


def write_csv(result_rows: Iterable[ResultRow], file: TextIO) -> None:
    """Write rows as CSV. Grids with other axes leave a column empty; lists become text."""
    result_rows = list(result_rows)
    first_of_grids = {(row.summary.panel, row.summary.grid): row for row in reversed(result_rows)}
    records = map(record_of_row, reversed(first_of_grids.values()))
    columns = list(dict.fromkeys(name for record in records for name in record))
    writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(_as_text(record_of_row(row)) for row in result_rows)


def describe_left_out(result_rows: Iterable[ResultRow]) -> Iterator[str]:
    """Say which runs have no part in a value, and why; `record_of_row` has each of them.

    Runs that rank below the best k are counted, for that is the protocol, and so are missing and failed ones.
    The others, diverged ones above all, are a result, and named by their points.
    """
    at_points: dict[tuple[str, str], list[int]] = {}
    runs_by_reason: dict[str, set[tuple[str, int]]] = {}
    for row in result_rows:
        place = f"{row.summary.panel}/{row.summary.grid} {describe_point(row.summary.point)}"
        for run in row.summary.left_out:
            general = _REASONS_COUNTED.get(run.reason.partition(" ")[0])
            if general is not None:
                runs_by_reason.setdefault(general, set()).add((run.key or place, run.seed))
            elif run.seed not in (seeds := at_points.setdefault((place, run.reason), [])):
                seeds.append(run.seed)
    for (place, reason), seeds in at_points.items():
        yield f"{place} seed{'s'[: len(seeds) > 1]} {', '.join(map(str, seeds))}: {reason}"
    for general, runs in runs_by_reason.items():
        yield f"{len(runs)} run{'s'[: len(runs) > 1]} {general}"


_REASONS_COUNTED = {
    "ranks": "left out for ranking below the best of their points",
    "finite,": "left out for standing at points with too few finite runs",
    "failed": "failed or damaged: `sgdlab status` says why",
    "missing": "missing: `sgdlab run` trains them",
    "spared:": "spared: the rule protocol.seeds doesn't ask for them",
}


def drawn_metrics(sweep: Sweep, grid: str) -> list[str]:
    """Return the metrics that the figure draws of a grid; the one that ranks its runs where there is none."""
    drawing = sweep.drawing
    curves = [*drawing.curves, *([drawing.reference] if drawing.reference else [])]
    drawn = [curve.metric for curve in curves if curve.grid == grid and not curve.metric.endswith(".curve")]
    return list(dict.fromkeys(drawn)) or [sweep.protocol.rank_by]


def _places_of_optima(sweep: Sweep, grid_runs: GridRuns) -> list[Any]:
    """Return, for each point of a grid, what its optimum has in common; one place where it is the grid's."""
    drawing = sweep.drawing
    if grid_runs.grid_name not in {curve.grid for curve in drawing.curves if drawing.tuned}:
        return [()] * len(grid_runs.points)
    return [place_beside(point, drawing.tuned) for point in grid_runs.points]


def _rows_of(summaries: Sequence[PointSummary], places: Sequence[Any], protocol: Protocol) -> list[ResultRow]:
    """Mark the optimum at each place, and keep the order."""
    together: dict[Any, list[PointSummary]] = {}
    for summary, place in zip(summaries, places, strict=True):
        together.setdefault(place, []).append(summary)
    best: set[int] = set()
    bar: set[int] = set()
    edges: dict[int, tuple[Edge, ...]] = {}
    coverage: dict[int, float | None] = {}
    for points in together.values():
        if optimum := find_optimum(points):
            best |= set(map(id, optimum.best))
            bar |= set(map(id, optimum.bar))
            edges |= dict.fromkeys(map(id, optimum.best), optimum.bar_edges)
            coverage |= dict.fromkeys(map(id, optimum.best), bar_coverage(points, protocol))
    return [
        ResultRow(
            summary=summary,
            is_optimum=id(summary) in best,
            in_error_bar=id(summary) in bar,
            edges=edges.get(id(summary), ()),
            bar_coverage=coverage.get(id(summary)),
        )
        for summary in summaries
    ]


def _as_text(record: dict[str, Any]) -> dict[str, Any]:
    text = dict(record)
    text["kept_seeds"] = " ".join(map(str, record["kept_seeds"]))
    text["edges"] = "; ".join(record["edges"])
    text["left_out"] = "; ".join(f"seed {run['seed']}: {run['reason']}" for run in record["left_out"])
    return text
