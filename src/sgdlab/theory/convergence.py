"""Errors that should shrink as O(εᵏ): measured at several ε, fitted, and drawn with a line of slope k."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sgdlab.analysis.series import PanelSeries
from sgdlab.theory.check import Finding
from sgdlab.theory.drawing import curve, order_line
from sgdlab.theory.order_fit import fit_order, order_finding

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class ErrorCurve:
    """An error against the step size, and the order that an equation gives it."""

    label: str  # in the figure
    says: str  # what the equation says of it, in one sentence
    order: int
    step_sizes: tuple[float, ...]  # (P,), or whatever x the error grows with
    errors: tuple[float, ...]  # (P,)

    @property
    def finding(self) -> Finding:
        """The fitted order, held against the one that is expected."""
        return order_finding(self.says, fit_order(self.step_sizes, self.errors), self.order)


def big_o(order: int, of: str = "ε") -> str:
    """Write O(ε), O(ε²), O(ε³)."""
    return f"O({of}{'' if order == 1 else str(order).translate(_SUPERSCRIPTS)})"


def convergence_panel(
    title: str, curves: Sequence[ErrorCurve], x_label: str | None = None, y_label: str | None = None
) -> PanelSeries:
    """Return the panel of these errors, with a line of each expected order below the lowest of its curves."""
    lowest = {one.order: one for one in sorted(curves, key=lambda one: -one.errors[-1])}
    return PanelSeries(
        name=title,
        title=title,
        x_scale="log2",
        series=tuple(curve(one.label, one.step_sizes, one.errors) for one in curves),
        reference=None,
        x_label=x_label,
        y_label=y_label,
        order_lines=tuple(order_line(one.order, one.step_sizes, one.errors) for one in lowest.values()),
    )
