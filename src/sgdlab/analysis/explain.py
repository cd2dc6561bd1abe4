"""What stands behind a point: each of its runs, which of them were kept, and why."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sgdlab.analysis.image_resampling import ReadCurves, interval_over_images
from sgdlab.analysis.observations import Observation, State
from sgdlab.analysis.points import GridRuns, Point, arrange, is_number
from sgdlab.analysis.protocol import PointSummary, summarize_point
from sgdlab.analysis.tables import drawn_metrics
from sgdlab.config.metrics import lower_is_better
from sgdlab.config.numbers import format_number, parse_number
from sgdlab.errors import UsageError
from sgdlab.sweeps.spec import Protocol, Sweep

_BETWEEN_VALUES = re.compile(r",\s*(?![^\[]*\])")  # commas, but not those of a list such as [32, 32]


@dataclass(frozen=True)
class RunBehind:
    """One run of a point, and its part in the point's value."""

    seed: int
    key: str
    state: State
    rank_value: float | None  # by protocol.rank_by
    value: float | None  # of the metric
    kept: bool
    why: str


@dataclass(frozen=True)
class Explanation:
    """One point in one metric: its runs, the best first, and what they come to."""

    summary: PointSummary
    runs: tuple[RunBehind, ...]
    interval_over_images: tuple[float, float] | None  # 95 %, of the mean over all finite runs


def explain(
    sweep: Sweep, observations: Iterable[Observation], where: str, read_curves: ReadCurves
) -> list[Explanation]:
    """Explain the points of a sweep that a text means: ``optimizer.lr=2**-6, grid=sgd``.

    An axis may be named by its last part. What isn't named is left open: every point that fits is explained,
    in every metric that the figure draws of its grid.

    Raises
    ------
    UsageError
        If no point fits; it names what there is.
    """
    wanted = _parse(where)
    found = [
        explain_point(runs, sweep.protocol, metric, read_curves)
        for grid_runs in arrange(sweep, observations).values()
        if _meant(grid_runs, wanted)
        for point, runs in zip(grid_runs.points, grid_runs.runs, strict=True)
        if _fits(point, wanted)
        for metric in drawn_metrics(sweep, grid_runs.grid_name)
    ]
    if not found:
        raise UsageError(f"no point of {sweep.name} fits {where!r}; there is {_what_there_is(sweep)}")
    return found


def explain_point(
    runs: Sequence[Observation], protocol: Protocol, metric: str, read_curves: ReadCurves
) -> Explanation:
    """Explain one point, given by all of its runs, in one metric."""
    summary = summarize_point(runs, protocol, metric)
    reasons = {run.seed: run.reason for run in summary.left_out}
    place = {seed: index for index, seed in enumerate(summary.kept_seeds)}
    behind = [
        RunBehind(
            seed=run.seed,
            key=run.key,
            state=run.state,
            rank_value=_finite(run.metrics.get(protocol.rank_by)),
            value=_finite(run.metrics.get(metric)),
            kept=run.seed in place,
            why=reasons.get(run.seed) or f"kept: ranks {place[run.seed] + 1} of {summary.num_asked}",
        )
        for run in runs
    ]
    sign = 1 if lower_is_better(protocol.rank_by) else -1
    behind.sort(key=lambda run: math.inf if run.rank_value is None else sign * run.rank_value)
    behind.sort(key=lambda run: place.get(run.seed, len(runs)))
    return Explanation(summary, tuple(behind), interval_over_images(runs, metric, read_curves))


def record_of_explanation(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation ready for JSON."""
    summary = explanation.summary
    return {
        "panel": summary.panel,
        "grid": summary.grid,
        **summary.point,
        "metric": summary.metric,
        "best_mean": summary.value,
        "best_std": summary.std,
        "unselected_mean": None if summary.unselected is None else summary.unselected.mean,
        "unselected_interval": summary.unselected_interval,
        "unselected_interval_over_images": explanation.interval_over_images,
        "note": summary.note,
        "runs": [asdict(run) for run in explanation.runs],
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _parse(where: str) -> dict[str, Any]:
    wanted = {}
    for part in filter(None, _BETWEEN_VALUES.split(where.strip())):
        name, equals, value = part.partition("=")
        if not equals:
            raise UsageError(
                f"{part!r} says nothing of a point; write AXIS=VALUE, such as optimizer.lr=2**-6"
            )
        wanted[name.strip()] = parse_number(value.strip())
    return wanted


def _meant(grid_runs: GridRuns, wanted: dict[str, Any]) -> bool:
    names = {"panel": grid_runs.panel_name, "grid": grid_runs.grid_name}
    return all(str(wanted.get(part, name)) == name for part, name in names.items())


def _fits(point: Point, wanted: dict[str, Any]) -> bool:
    return all(
        any(_is_axis(axis, name) and _equal(value, asked) for axis, value in point.items())
        for name, asked in wanted.items()
        if name not in ("panel", "grid")
    )


def _is_axis(axis: str, name: str) -> bool:
    return name in (axis, axis.rpartition(".")[2])


def _equal(value: Any, asked: Any) -> bool:
    if is_number(value) and is_number(asked):
        return math.isclose(value, asked, rel_tol=1e-9)
    return str(value).replace(" ", "") == str(asked).replace(" ", "")


def _what_there_is(sweep: Sweep) -> str:
    return "; ".join(dict.fromkeys(_grids_of(sweep)))


def _grids_of(sweep: Sweep) -> Iterator[str]:
    for panel_name, panel in sweep.panels.items():
        where = f"panel={panel_name}, " if len(sweep.panels) > 1 else ""
        for grid_name, grid in panel.grids.items():
            axes = (f"{axis}={' or '.join(map(format_number, values))}" for axis, values in grid.axes.items())
            yield f"{where}grid={grid_name}, {', '.join(axes)}"
