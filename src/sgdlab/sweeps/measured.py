"""Whether the runs of a sweep measure what its drawing and its claims speak of."""

from __future__ import annotations

from sgdlab.config.compose import Composer
from sgdlab.config.landscape import Landscape, MeasuredLandscape
from sgdlab.errors import UsageError
from sgdlab.sweeps.expand import expand_points
from sgdlab.sweeps.references import LANDSCAPE
from sgdlab.sweeps.spec import Sweep


def refuse_unmeasured(sweep: Sweep, composer: Composer) -> None:
    """Refuse a sweep that speaks of a landscape that its runs, each grid's first, don't measure.

    Or of an accuracy where there are no classes.

    Raises
    ------
    UsageError
        Naming the sweep, the place, the metric and the quantity that has it.
    """
    for name, panel in sweep.panels.items():
        measured: dict[str, tuple[str, ...]] = {}
        for reference in sweep.references(name):
            metric = reference.metric.partition(".")[0]
            grid = panel.grids[reference.grid]
            base = {**panel.base, **grid.fixed}
            if base.get("loss") == "bernoulli":
                _refuse_accuracy(sweep, reference.where, reference.metric)
                _refuse_accuracy(sweep, "protocol.rank_by", sweep.protocol.rank_by)
            if metric not in LANDSCAPE:
                continue
            if reference.grid not in measured:
                _, run = next(expand_points(base, grid, composer, sweep.source))
                measured[reference.grid] = _quantities(run.landscape)
            if LANDSCAPE[metric] not in measured[reference.grid]:
                raise UsageError(
                    f"{sweep.source}: {reference.where} speaks of {metric}, which the runs of grid "
                    f"{reference.grid!r} don't measure: set landscape to measured, and have "
                    f"{LANDSCAPE[metric]} among landscape.quantities"
                )


def _refuse_accuracy(sweep: Sweep, where: str, metric: str) -> None:
    name, _, statistic = metric.partition(".")
    if "accuracy" in name:
        raise UsageError(
            f"{sweep.source}: {where} speaks of {metric}, and loss=bernoulli knows no classes; "
            f"there is test_loss.{statistic}"
        )


def _quantities(landscape: Landscape) -> tuple[str, ...]:
    return landscape.quantities if isinstance(landscape, MeasuredLandscape) else ()
