"""Runs that belong to no sweep file: what ``sgdlab train`` asks for."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from sgdlab.analysis.penalty_error import describe_summaries
from sgdlab.config.compose import Choices, Composer, Overrides, validate_execution
from sgdlab.config.execution import Execution
from sgdlab.config.identity import key_of_normalized, normalize
from sgdlab.config.schema import Run
from sgdlab.errors import UserError
from sgdlab.orchestration.carry_out import carry_out
from sgdlab.runs.index import Index, IndexedRun
from sgdlab.runs.store import Store
from sgdlab.sweeps.expand import expand_points
from sgdlab.sweeps.grids import Grid
from sgdlab.sweeps.survey import survey_runs
from sgdlab.tracking.contexts import SweepContext, describe_run

_SHOWN = {
    "test_accuracy.best": "best\ntest acc.",
    "test_accuracy.final": "final\ntest acc.",
    "train_accuracy.final": "final\ntrain acc.",
    "c_reg.final": "final\nC_reg",
}
_SHOWN_WITHOUT_CLASSES = {
    "test_loss.best": "best\ntest loss",
    "test_loss.final": "final\ntest loss",
    "train_loss.final": "final\ntrain loss",
    "c_reg.final": "final\nC_reg",
}


def train_ad_hoc(composer: Composer, overrides: Overrides) -> None:
    """Train every combination of the overrides, through the planner and launcher of sweeps, and show results.

    Raises
    ------
    UserError
        If an override isn't valid, or a run failed.
    """
    carried_out = {k: v for k, v in overrides.items() if k.partition(".")[0] in Execution.model_fields}
    execution = validate_execution(composer, carried_out)
    named = _named_runs(composer, {k: v for k, v in overrides.items() if k not in carried_out})
    store = Store(execution.folders.store)
    wanted = {key: run for key, (_, run) in named.items()}
    contexts = {
        key: SweepContext("train", "train", "none", "none", "none", name) for key, (name, _) in named.items()
    }
    is_trained = carry_out(["train"], survey_runs(wanted, store, len(wanted)), contexts, execution, store)
    if not is_trained:
        return
    after = survey_runs(wanted, store, len(wanted))
    with Index(store) as index:
        indexed = index.lookup(after.stored)
    has_classes = any(run.loss.kind != "bernoulli" for run in wanted.values())
    shown = _SHOWN if has_classes else _SHOWN_WITHOUT_CLASSES
    _show({key: name for key, (name, _) in named.items()}, indexed, shown)
    summaries = {key: run.summary for key, run in indexed.items()}
    for line in describe_summaries(summaries, [key for key in summaries if wanted[key].differences_kinks]):
        print(line)
    if after.failed:
        failure = store.read_failure(after.failed[0])
        text = f"{failure.error}; its log: {failure.log}" if failure else "see `sgdlab status`"
        raise UserError(f"{len(after.failed)} of {len(wanted)} runs failed; the first: {text}")


def _named_runs(composer: Composer, overrides: Overrides) -> dict[str, tuple[str, Run]]:
    """Return key → what tells the run from the others, and the run, normalised."""
    axes = {key: list(value) for key, value in overrides.items() if isinstance(value, Choices)}
    base = {key: value for key, value in overrides.items() if key not in axes}
    grid = Grid(label="train", axes=axes or {"seed": [base.get("seed", 0)]})
    named: dict[str, tuple[str, Run]] = {}
    for point, run in expand_points(base, grid, composer, "command line"):
        normalized = normalize(run)
        swept = {axis: value for axis, value in point.items() if axis != "seed"}
        named[key_of_normalized(normalized)] = (describe_run(swept, run.seed), normalized)
    return named


def _show(names: dict[str, str], stored: dict[str, IndexedRun], shown: dict[str, str]) -> None:
    listing = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("run", "key", "state"):
        listing.add_column(column, overflow="fold", vertical="bottom")
    for column in shown.values():
        listing.add_column(column, justify="right")
    for key, name in names.items():
        run = stored.get(key)
        values = [run.summary.get(metric) if run else None for metric in shown]
        texts = ["–" if value is None else f"{value:.4g}" for value in values]
        listing.add_row(name, key[:12], run.state if run else "failed", *texts)
    Console(highlight=False).print(listing)
