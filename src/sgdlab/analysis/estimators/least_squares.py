"""The slope of a least-squares line."""

from __future__ import annotations

import numpy as np


def slope_of(x: np.ndarray, y: np.ndarray) -> float:
    """Return the slope of the least-squares line of y on x, both (P,); x must not be constant."""
    centred = x - x.mean()
    return float(centred @ y / (centred @ centred))
