"""What the command line changes in a panel: the values of axes, and everything else that its runs share."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from sgdlab.config.compose import Choices, Composer, Overrides
from sgdlab.config.messages import explain
from sgdlab.errors import UsageError
from sgdlab.sweeps.grids import Grid, Panel


def override_panel(panel: Panel, overrides: Overrides, composer: Composer) -> Panel:
    """Return the panel with overrides applied, options of groups before values.

    An axis is replaced in every grid that has several points on it: a single point is what that grid stands
    for, as λ = 0 is for a reference line. (Where every grid has one point, it is replaced in all of them.)
    Points beside the product of such a grid go with the values that are replaced.
    A key that is no axis goes into the base, and into what a grid fixes where that grid fixes it.

    Raises
    ------
    UsageError
        If a list of values is given for a key that is no axis, or a value for one that is computed.
    """
    for key, value in sorted(overrides.items(), key=lambda item: not composer.is_choice(item[0])):
        if any(key in grid.axes for grid in panel.grids.values()):
            panel = _with_axis(panel, key, value if isinstance(value, Choices) else [value])
        elif isinstance(value, Choices):
            axes = sorted({axis for grid in panel.grids.values() for axis in grid.axes})
            raise UsageError(f"{key} is no axis of this sweep: give one value; its axes: {', '.join(axes)}")
        else:
            panel = _with_value(panel, key, value, composer.is_choice(key))
    return panel


def _with_axis(panel: Panel, key: str, values: list[Any]) -> Panel:
    sweeping = {name for name, grid in panel.grids.items() if len(grid.axes.get(key, ())) > 1}
    replaced = sweeping or {name for name, grid in panel.grids.items() if key in grid.axes}
    try:
        grids = {
            name: Grid.model_validate({**dict(grid), "axes": {**grid.axes, key: values}, "also": []})
            if name in replaced
            else grid
            for name, grid in panel.grids.items()
        }
    except ValidationError as error:
        raise UsageError(explain(error, Grid, lambda _: "command line").replace("axes.", "", 1)) from error
    return panel.model_copy(update={"grids": grids})


def _with_value(panel: Panel, key: str, value: Any, is_choice: bool) -> Panel:
    for name, grid in panel.grids.items():
        if key in grid.coupled:
            raise UsageError(f"{key} can't be set: grid {name} computes it, as {grid.coupled[key]}")
    base = {**_without_old_option(panel.base, key, is_choice), key: value}
    grids = {
        name: grid.model_copy(
            update={"fixed": {**_without_old_option(grid.fixed, key, is_choice), key: value}}
        )
        if key in grid.fixed
        else grid
        for name, grid in panel.grids.items()
    }
    return panel.model_copy(update={"base": base, "grids": grids})


def _without_old_option(values: dict[str, Any], key: str, is_choice: bool) -> dict[str, Any]:
    """Drop what was set for an option that is replaced."""
    return {k: v for k, v in values.items() if not (is_choice and k.startswith(f"{key}."))}
