"""One published run becomes one Weights & Biases run, exactly once; its id is the run's key.

Summary names have a slash where the store has a dot (``test_accuracy/best``): in W&B a dot means nesting.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from sgdlab.config.execution import WandbTracker
from sgdlab.config.metrics import lower_is_better
from sgdlab.tracking.contexts import SweepContext
from sgdlab.tracking.staging import publish_once
from sgdlab.tracking.wandb_run import RunIdentity, open_run

if TYPE_CHECKING:
    import wandb


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

    def write(workplace: Path) -> None:
        with open_run(_identity(result, context), _config(result, context), tracker, workplace) as run:
            _log(run, curves)
            run.summary.update(_summary(result))

    return publish_once(result.key, tracker, write)


def _identity(result: PublishedRun, context: SweepContext) -> RunIdentity:
    tags = (context.paper, context.figure, context.scale)
    return RunIdentity(
        id=result.key,
        name=context.name,
        group=context.sweep,
        job_type=context.grid,
        tags=(*tags, "diverged") if result.state == "diverged" else tags,
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
            "point": context.point,
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
