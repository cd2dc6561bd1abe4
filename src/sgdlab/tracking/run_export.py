"""One published run becomes one Weights & Biases run, exactly once.

The W&B run's id is the run's key. It is written in a staging folder beside W&B's own and renamed into place
once it is complete: a process killed half way leaves nothing that counts, and the next attempt clears it up.

    <folder>/.wandb-staging/<key>[.lock]                         being written; safe to delete
    <folder>/wandb/offline-run-<time>-<key>/run-<key>.wandb      complete; `wandb sync` uploads it

Summary names have a slash where the store has a dot (``test_accuracy/best``): in W&B a dot means nesting.
"""

from __future__ import annotations

import fcntl
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from sgdlab.config.execution import WandbTracker
from sgdlab.config.metrics import lower_is_better
from sgdlab.errors import UserError
from sgdlab.tracking.contexts import SweepContext

if TYPE_CHECKING:
    import wandb


_NUM_ATTEMPTS = 3


class PublishedRun(Protocol):
    """What the export reads of a run's result."""

    @property
    def key(self) -> str:
        """The run's identity."""

    @property
    def state(self) -> Literal["done", "diverged"]:
        """How it ended; both are results."""

    @property
    def config(self) -> Mapping[str, Any]:
        """The full configuration, nested."""

    @property
    def summary(self) -> Mapping[str, float | None]:
        """Metric and statistic → value, e.g. ``test_accuracy.best``."""

    @property
    def num_updates(self) -> int:
        """Parameter updates made."""

    @property
    def diverged_at(self) -> int | None:
        """The update at which the loss stopped being finite."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Commit, versions, device, times."""


def export_run(
    result: PublishedRun, curves: Mapping[str, np.ndarray], context: SweepContext, tracker: WandbTracker
) -> Path | None:
    """Write one run for W&B, and upload it if the tracker is online.

    Parameters
    ----------
    result, context
        What happened, and where it belongs.
    curves
        ``updates`` and the metrics at those updates, each (E,); values that aren't finite are left out.
    tracker
        Project, entity, mode and folder.

    Returns
    -------
    Path or None
        The W&B run's folder; None if this run has been exported before.

    Raises
    ------
    UserError
        If W&B refuses: not logged in, no such entity, the server is out of reach.
    """
    destination = tracker.folder / "wandb"
    staging = tracker.folder / ".wandb-staging"
    destination.mkdir(parents=True, exist_ok=True)
    staging.mkdir(exist_ok=True)
    with _exclusive(staging / f"{result.key}.lock"):
        if next(destination.glob(f"*run-*-{result.key}"), None) is not None:
            return None
        workplace = staging / result.key
        written = _write_whole(result, curves, context, tracker, workplace)
        _make_durable(written)
        target = destination / written.name
        written.rename(target)
        shutil.rmtree(workplace, ignore_errors=True)
    return target


def exported_keys(tracker: WandbTracker) -> set[str]:
    """Return the keys of all runs that have been exported; one listing, however many there are."""
    return {path.name.rpartition("-")[2] for path in (tracker.folder / "wandb").glob("*run-*-*")}


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Hold a lock that dies with its process; its file goes once the export is complete."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
        path.unlink(missing_ok=True)  # whoever waits on it finds the run exported


def _write_whole(
    result: PublishedRun,
    curves: Mapping[str, np.ndarray],
    context: SweepContext,
    tracker: WandbTracker,
    workplace: Path,
) -> Path:
    """Have W&B write the run, and return its folder once the log of it is there.

    W&B writes in a process of its own. On a busy machine that was seen to leave a folder without its log, and
    W&B says nothing of it; so another process tries again.
    """
    import wandb

    for _ in range(_NUM_ATTEMPTS):
        shutil.rmtree(workplace, ignore_errors=True)  # what a killed process, or the last attempt, has left
        workplace.mkdir()
        _write(result, curves, context, tracker, workplace)
        for log in (workplace / "wandb").glob(f"*run-*-{result.key}/*.wandb"):
            if log.stat().st_size:
                return log.parent
        wandb.teardown()
    raise UserError(
        f"run {result.key} could not be given to Weights & Biases ({tracker.mode}): it wrote no log of it, "
        f"{_NUM_ATTEMPTS} times; `sgdlab run` tries again"
    )


def _write(
    result: PublishedRun,
    curves: Mapping[str, np.ndarray],
    context: SweepContext,
    tracker: WandbTracker,
    workplace: Path,
) -> None:
    """Make W&B write the run below `workplace`, and upload it if online."""
    import wandb

    if tracker.mode == "offline":  # for the process: W&B's own telemetry would look for the network otherwise
        wandb.setup(wandb.Settings(mode="offline"))
    tags = [context.paper, context.figure, context.scale]
    try:
        with wandb.init(
            id=result.key,
            resume="allow" if tracker.mode == "online" else None,
            reinit="create_new",
            mode=tracker.mode,
            project=tracker.project,
            entity=tracker.entity,
            dir=workplace,
            name=context.name,
            group=context.sweep,
            job_type=context.grid,
            tags=[*tags, "diverged"] if result.state == "diverged" else tags,
            config=_config(result, context),
            settings=_quiet_settings(),
        ) as run:
            _log(run, curves)
            run.summary.update(_summary(result))
    except Exception as error:  # W&B's errors have no common base
        raise UserError(
            f"run {result.key} could not be given to Weights & Biases ({tracker.mode}): {error}"
        ) from error


def _quiet_settings() -> wandb.Settings:
    """Nothing but the run: no console output, no look at the machine, at git, at the installed packages."""
    import wandb

    return wandb.Settings(
        silent=True,
        console="off",
        symlink=False,
        save_code=False,
        disable_code=True,
        disable_git=True,
        disable_job_creation=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_disable_machine_info=True,
        x_save_requirements=False,  # reading them takes longer than all the rest
    )


def _log(run: wandb.Run, curves: Mapping[str, np.ndarray]) -> None:
    """Write the history; explicit steps make W&B ignore what a resumed online run holds already."""
    metrics = [name for name in curves if name != "updates"]
    run.define_metric("updates", hidden=True)
    for name in metrics:
        run.define_metric(name, step_metric="updates", summary="min" if lower_is_better(name) else "max")
    for index, num_updates in enumerate(curves["updates"]):
        values = {name: float(curves[name][index]) for name in metrics}
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        run.log({"updates": int(num_updates), **finite}, step=index)


def _config(result: PublishedRun, context: SweepContext) -> dict[str, Any]:
    """Return the configuration, the log2 of its numbers, and where the run belongs and comes from."""
    science = {name: value for name, value in result.config.items() if name != "seed"}
    return {
        **result.config,
        "log2": _log2(science),
        "sweep": {
            "name": context.sweep,
            "grid": context.grid,
            "paper": context.paper,
            "figure": context.figure,
            "scale": context.scale,
        },
        "provenance": dict(result.provenance),
    }


def _log2(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return log2 of every positive number, nested as they are."""
    logarithms: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            if nested := _log2(value):
                logarithms[name] = nested
        elif isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            logarithms[name] = math.log2(value)
    return logarithms


def _summary(result: PublishedRun) -> dict[str, Any]:
    """Return the run's values under W&B names, how it ended, and how far it came."""
    values = {name.replace(".", "/"): value for name, value in result.summary.items() if value is not None}
    ends = {"state": result.state, "num_updates": result.num_updates}
    return values | ends | ({} if result.diverged_at is None else {"diverged_at": result.diverged_at})


def _make_durable(run_folder: Path) -> None:
    """Drop W&B's own logs, and have the run on disk before it gets the name that counts."""
    for scratch in ("logs", "tmp"):
        shutil.rmtree(run_folder / scratch, ignore_errors=True)
    for transaction_log in run_folder.glob("*.wandb"):
        with transaction_log.open("rb") as file:
            os.fsync(file.fileno())
