"""The rows that all analysis starts from: one run at one point of one grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

State = Literal["done", "diverged", "failed", "missing", "spared"]
"""Spared: the protocol has this run, and its rule for seeds doesn't ask for it."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One run as seen by one figure; a run that two grids share is seen twice."""

    panel: str
    grid: str
    point: Mapping[str, Any]  # axis → value, in the order of the grid's axes
    seed: int
    key: str
    state: State
    metrics: Mapping[str, float] = field(default_factory=dict)  # "test_accuracy.best" → value; may lack some
    curves: Mapping[str, np.ndarray] = field(default_factory=dict)  # "updates", "test_accuracy", … each (E,)
    differences_kinks: bool = False  # finite differences with ReLU
    why: str = ""  # it was spared
