"""One W&B run for each sweep and scale: the table of results, the figures, the claims.

Its id is made of the sweep's name and the scale, so there is one, whatever state the sweep is in; a mark in
its folder says which state it shows. A new state (an extension's points, a failed run trained after all)
takes the place of the old one, here and, with the next `sgdlab sync`, on the server.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from sgdlab.analysis.claims import Verdict, describe_expectation, judge
from sgdlab.analysis.decision import Decision
from sgdlab.analysis.figure_series import figure_series
from sgdlab.analysis.observations import Observation, State
from sgdlab.analysis.tables import record_of_row, rows
from sgdlab.config.execution import WandbTracker
from sgdlab.figures.draw import draw
from sgdlab.sweeps.spec import Sweep
from sgdlab.tracking.staging import publish_state
from sgdlab.tracking.wandb_run import RunIdentity, open_run

if TYPE_CHECKING:
    import wandb

SUMMARY_JOB = "summary"  # the job type; the runs' is their grid

_FORMAT = "1"  # of what is written; another one has every summary written again
_DIGITS = 16


def summary_id(sweep: str, scale: str) -> str:
    """Return the id of the W&B run that sums a sweep up."""
    return f"{SUMMARY_JOB}-{_digest(sweep, scale)}"


def log2_column(axis: str) -> str:
    """Name the column of the table of results that has an axis's log2."""
    return f"log2 {axis}"


def export_summary(sweep: Sweep, observations: Sequence[Observation], tracker: WandbTracker) -> Path | None:
    """Write what a sweep has shown, unless that has been written.

    Parameters
    ----------
    sweep
        With what extensions have added.
    observations
        All its runs; of those that are missing or failed the table says so.
    tracker
        Project, entity, mode and folder.

    Returns
    -------
    Path or None
        The W&B run's folder; None if there is one that shows this state.

    Raises
    ------
    UserError
        If W&B refuses, or a claim can't be made on the grid that it names.
    """
    state = state_of(sweep, observations)

    def write(workplace: Path) -> None:
        verdicts = judge(sweep, observations)
        (picture,) = draw(figure_series(sweep, observations), workplace, "figure", formats=("png",))
        with (
            _artifacts_beside(tracker),
            open_run(_identity(sweep), _config(sweep, state), tracker, workplace) as run,
        ):
            _log(run, sweep, observations, verdicts, picture)
            run.summary.update(_counts(observations, verdicts))

    return publish_state(summary_id(sweep.name, sweep.scale), state, tracker, write)


def state_of(sweep: Sweep, observations: Iterable[Observation]) -> str:
    """Return a digest of what a summary would show: the sweep as it is, and how each of its runs came out."""
    seen = [[one.panel, one.grid, one.key, one.state, sorted(one.metrics.items())] for one in observations]
    return _digest(_FORMAT, sweep.model_dump_json(), json.dumps(seen))


def _identity(sweep: Sweep) -> RunIdentity:
    return RunIdentity(
        id=summary_id(sweep.name, sweep.scale),
        name=f"{sweep.name} @ {sweep.scale}: {SUMMARY_JOB}",
        group=sweep.name,
        job_type=SUMMARY_JOB,
        tags=(sweep.paper, sweep.figure, sweep.scale, SUMMARY_JOB),
    )


def _config(sweep: Sweep, state: str) -> dict[str, Any]:
    return {
        "sweep": {
            "name": sweep.name,
            "grid": SUMMARY_JOB,
            "paper": sweep.paper,
            "figure": sweep.figure,
            "scale": sweep.scale,
            "title": sweep.title,
        },
        "protocol": sweep.protocol.model_dump(mode="json"),
        "state_digest": state,
    }


def _log(
    run: wandb.Run,
    sweep: Sweep,
    observations: Sequence[Observation],
    verdicts: Sequence[Verdict],
    picture: Path,
) -> None:
    import wandb

    points = [record_of_row(row) | _log2(row.summary.point) for row in rows(sweep, observations)]
    run.log(
        {
            "results": _table(points),
            "claims": _table([_record_of_claim(verdict) for verdict in verdicts]),
            "figure": wandb.Image(str(picture), caption=sweep.title),
        }
    )


def _log2(point: Mapping[str, Any]) -> dict[str, float]:
    """Return log2 of the positive numbers of a point: what W&B's charts are drawn against."""
    return {
        log2_column(axis): math.log2(value)
        for axis, value in point.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    }


def _table(records: Sequence[Mapping[str, Any]]) -> wandb.Table:
    """Return records as a table; where one lacks a column, the cell is empty."""
    import wandb

    columns: list[str | int] = list(dict.fromkeys(name for record in records for name in record))
    cells = [[_cell(record.get(str(name))) for name in columns] for record in records]
    return wandb.Table(columns=columns, data=cells, allow_mixed_types=True)


def _cell(value: Any) -> Any:
    """Return a value as a cell: numbers and text as they are, what isn't finite empty, lists as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list | dict | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return value


def _record_of_claim(verdict: Verdict) -> dict[str, Any]:
    low, high = verdict.interval or (None, None)
    return {
        "panel": verdict.panel,
        "kind": verdict.claim.kind,
        "says": verdict.claim.says,
        "verdict": verdict.verdict,
        "estimate": verdict.estimate,
        "low": low,
        "high": high,
        "expected": describe_expectation(verdict.claim.expect),
        "seeds": verdict.num_seeds,
        "rule": verdict.rule,
        "reason": verdict.reason,
    }


def _counts(observations: Sequence[Observation], verdicts: Sequence[Verdict]) -> dict[str, int]:
    """Count claims by verdict and runs by state; a run that two grids share counts once."""
    decided = Counter[str](verdict.verdict for verdict in verdicts)
    states = Counter({one.key: one.state for one in observations}.values())
    claims = {f"claims/{verdict.replace(' ', '_')}": decided[verdict] for verdict in get_args(Decision)}
    runs = {f"runs/{state}": states[state] for state in get_args(State)}
    return claims | {"claims/total": len(verdicts)} | runs | {"runs/total": states.total()}


@contextmanager
def _artifacts_beside(tracker: WandbTracker) -> Iterator[None]:
    """Have W&B keep tables beside its runs until they are uploaded, and not in the user's home."""
    before = os.environ.get("WANDB_DATA_DIR")
    os.environ["WANDB_DATA_DIR"] = str((tracker.folder / ".wandb-data").absolute())
    try:
        yield
    finally:
        if before is None:
            del os.environ["WANDB_DATA_DIR"]
        else:
            os.environ["WANDB_DATA_DIR"] = before


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_DIGITS]
