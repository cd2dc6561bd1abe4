"""How axes and their values are written in a figure: ``n = 4``, ``ε = 2^{-6}``, ``‖H‖_{S_n}``.

Powers of two and indices are written in TeX's way; each drawing turns ``^{…}`` and ``_{…}`` into its own.
"""

from __future__ import annotations

from typing import Any

from sgdlab.analysis.points import GridRuns, Point
from sgdlab.config.numbers import format_number
from sgdlab.sweeps.drawings import Curve, Drawing

_SYMBOLS = {
    "optimizer.lr": "ε",
    "optimizer.batch_size": "B",
    "optimizer.inner_steps": "n",
    "regularizer.strength": "λ",
    "data.num_train": "N",
    "budget.num_epochs": "epochs",
    "budget.num_updates": "updates",
}


def label_of_number(value: Any) -> str:
    """Write a power of two as ``2^{-6}``, save 1, 2, 4, … 1024; everything else as usual."""
    text = format_number(value)
    base, power, exponent = text.partition("**")
    return f"{base}^{{{exponent}}}" if power else text


def label_of_point(point: Point, axes: list[str]) -> str:
    """Write the values of some axes of a point: ``n = 4, ε = 2^{-6}``."""
    return ", ".join(
        f"{_SYMBOLS.get(axis, axis.rpartition('.')[2])} = {label_of_number(point[axis])}" for axis in axes
    )


def curve_label(drawing: Drawing, curve: Curve, grid_runs: GridRuns, point: Point, axes: list[str]) -> str:
    """Return the legend of one curve: its label, or its grid's, and the axis values that tell it apart."""
    values = label_of_point(point, axes)
    if values and curve.label is None and len(drawing.curves) == 1:
        return values
    return ", ".join(part for part in (curve.label or grid_runs.grid.label, values) if part)
