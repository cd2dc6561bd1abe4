"""From a sweep to the runs it wants: the points of each grid, times the seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sgdlab.config.compose import Composer, validate_run
from sgdlab.config.execution import Execution
from sgdlab.config.identity import ConfigDigests, Keys, normalize
from sgdlab.config.numbers import evaluate
from sgdlab.config.schema import Run
from sgdlab.errors import UsageError
from sgdlab.sweeps.grids import Grid, Panel
from sgdlab.sweeps.remembered import SweepKeys
from sgdlab.sweeps.spec import Sweep


@dataclass(frozen=True)
class WantedRun:
    """One run as one grid of one panel wants it."""

    panel: str
    grid: str
    point: Mapping[str, Any]  # axis → value
    seed: int
    run: Run  # normalised
    key: str


def expand(sweep: Sweep, composer: Composer) -> Iterator[WantedRun]:
    """Stream the runs that a sweep wants, in the order of its file; a run that two grids want comes twice.

    Raises
    ------
    UsageError
        Naming the sweep, the grid and the key, at the first point that isn't a valid run.
    """
    keys = Keys()
    for panel_name, panel in sweep.panels.items():
        for grid_name, grid in panel.grids.items():
            place = f"grid {grid_name}" if panel_name == "main" else f"panel {panel_name}, grid {grid_name}"
            origin = f"{sweep.source}: scale {sweep.scale}, {place}"
            _refuse_other_keys(panel, grid, origin)
            for point, run in expand_points({**panel.base, **grid.fixed}, grid, composer, origin):
                normalized = normalize(run)
                for seed in range(sweep.protocol.num_seeds):
                    is_own = seed == normalized.seed
                    seeded = normalized if is_own else normalized.model_copy(update={"seed": seed})
                    yield WantedRun(panel_name, grid_name, point, seed, seeded, keys.of(seeded))


def expand_noting(sweep: Sweep, composer: Composer, known: SweepKeys) -> Iterator[WantedRun]:
    """Stream the runs as `expand` does, and note the key of each in `known` as it passes."""
    digests = ConfigDigests()
    for row in expand(sweep, composer):
        known.keys.append(row.key)
        known.config_digests.append(digests.of(row.run))
        known.num_updates.append(row.run.num_updates)
        if row.run.differences_kinks:
            known.across_kinks.append(row.key)
        yield row


def expand_points(
    base: dict[str, Any], grid: Grid, composer: Composer, origin: str
) -> Iterator[tuple[dict[str, Any], Run]]:
    """Stream the points of one grid over a base of overrides: axis → value, and the run, not normalised."""
    for point in grid.points():
        overrides = {**base, **point}
        for key, expression in grid.coupled.items():
            overrides[key] = _coupled_value(key, expression, composer, overrides, origin)
        yield point, validate_run(composer, overrides, origin)


def _refuse_other_keys(panel: Panel, grid: Grid, origin: str) -> None:
    """A sweep says what its runs are; how they are carried out is said on the command line."""
    for key in {*panel.base, *grid.fixed, *grid.axes, *grid.coupled}:
        if key == "seed":
            raise UsageError(f"{origin}: seed can't be set: protocol.num_seeds runs have seeds 0, 1, …")
        if key.partition(".")[0] in Execution.model_fields:
            raise UsageError(f"{origin}: {key} says how a run is carried out; give it on the command line")


def _coupled_value(
    key: str, expression: str, composer: Composer, overrides: dict[str, Any], origin: str
) -> Any:
    """Evaluate an expression of everything that a run has at this point, the schema's defaults included."""
    try:
        return evaluate(expression, composer.compose_run(overrides))
    except UsageError as error:
        validate_run(composer, overrides, origin)  # what the expression reads may be what is wrong
        raise UsageError(f"{origin}: coupled.{key}: {error}") from error
