"""What a check is, and what it finds: numbers with intervals, held against what an equation says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sgdlab.analysis.decision import Decision, decide
from sgdlab.analysis.series import FigureSeries
from sgdlab.sweeps.claims import Expectation


@dataclass(frozen=True)
class Finding:
    """One number that an equation speaks of.

    The verdict is that of a sweep's claim: *supported* when the whole interval satisfies the expectation,
    *not supported* when none of it does, *inconclusive* otherwise.
    """

    says: str  # what the equation says, in one sentence
    value: float  # what was measured
    interval: tuple[float, float]  # 95 %; both ends are the value where it is exact
    expect: Expectation
    remark: str = ""  # what a reader must know beside it

    @property
    def verdict(self) -> Decision:
        """Hold the interval against the expectation."""
        return decide(self.interval, self.expect)

    @property
    def measured(self) -> str:
        """Write the number and its interval: ``2.98 [2.96, 3.01]``, or ``1.1e-16, exact``."""
        low, high = self.interval
        if low == high == self.value:
            return f"{self.value:.4g}, exact"
        return f"{self.value:.4g} [{low:.4g}, {high:.4g}]"


@dataclass(frozen=True)
class CheckReport:
    """What came out of a check."""

    findings: tuple[Finding, ...]
    figure: FigureSeries
    notes: tuple[str, ...]  # settings, and how they were chosen


@dataclass(frozen=True)
class Check:
    """A check that can be run: in seconds to a minute and a half on one core, in float64, always the same."""

    name: str  # paper/equations, e.g. smith2021/eq9-11
    paper: str
    equations: str  # as the paper numbers them, e.g. "eq. 9–11"
    title: str  # in a few words
    run: Callable[[], CheckReport]
