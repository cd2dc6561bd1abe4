"""A row of the table: what is compared, what is aimed at, and what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal


@dataclass(frozen=True)
class RowSpec:
    """A comparison, before it is measured."""

    name: str  # by which `bench.py --only` finds it
    work: str
    against: str
    target: float | None = None  # None: reported, nothing is aimed at
    better: Literal["higher", "lower"] = "higher"
    unit: Literal["×", "s", "MB"] = "×"


@dataclass(frozen=True)
class Row:
    """A measured comparison: the median over rounds, and the range of the rounds."""

    spec: RowSpec
    value: float
    low: float
    high: float
    note: str = ""

    @classmethod
    def over_rounds(cls, spec: RowSpec, values: Sequence[float], note: str = "") -> Row:
        """Summarise one value a round."""
        return cls(spec, median(values), min(values), max(values), note)

    @property
    def is_reached(self) -> bool | None:
        """Whether the median reaches the target; None where there is none."""
        target = self.spec.target
        if target is None:
            return None
        return self.value >= target if self.spec.better == "higher" else self.value <= target


@dataclass(frozen=True)
class Missing:
    """A row that couldn't be measured here, and why, in a line."""

    spec: RowSpec
    reason: str


@dataclass(frozen=True)
class Variant:
    """What one way of training takes on some work: a bar of the picture."""

    work: str
    label: str
    us: float  # per run and update, median over rounds
    low: float
    high: float
    first_call_s: float | None = None  # compiling and setting up, imports left out; None where not measured


def ratios(numerator: Sequence[float], denominator: Sequence[float]) -> list[float]:
    """Return the ratio of each round: both were measured beside each other in it."""
    return [n / d for n, d in zip(numerator, denominator, strict=True)]
