"""How numbers are written on a page."""

from __future__ import annotations

from sgdlab.analysis.protocol import Spread


def spread_text(spread: Spread | None) -> str:
    """Write mean and standard deviation to the same decimal: the second digit of the deviation."""
    if spread is None:
        return "–"
    if spread.std is None:
        return number_text(spread.mean)
    decimals = 4 if spread.std == 0 else max(0, 1 - int(f"{spread.std:e}".partition("e")[2]))
    return f"{spread.mean:.{decimals}f} ± {spread.std:.{decimals}f}".replace("-", "−")


def number_text(value: float | None) -> str:
    """Write four significant digits."""
    return "–" if value is None else f"{value:.4g}".replace("-", "−").replace("inf", "∞")
