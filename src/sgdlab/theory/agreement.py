"""Findings on numbers that an equation fixes: equal to rounding, or equal within their standard error."""

from __future__ import annotations

import numpy as np

from sgdlab.sweeps.claims import Expectation
from sgdlab.theory.check import Finding
from sgdlab.theory.intervals import mean_interval

ROUNDING = 1e-11  # relative; sums of up to some 10⁴ float64 terms, some of which cancel to a hundredth


def agreement_finding(says: str, deviation: float, remark: str = "") -> Finding:
    """Hold the largest relative deviation of an exact equation against rounding."""
    expect = Expectation(below=ROUNDING)
    return Finding(says, deviation, (deviation, deviation), expect, remark or "Largest relative deviation.")


def exact_finding(says: str, value: float, expect: Expectation, remark: str = "") -> Finding:
    """Hold a number that has no error against what is expected of it."""
    return Finding(says, value, (value, value), expect, remark)


def ratio_finding(
    says: str,
    samples: np.ndarray,
    predicted: float,
    tolerance: float,
    remark: str = "",
) -> Finding:
    """Hold the mean of independent samples ``(R,)``, over its prediction, against 1 ± `tolerance`.

    The tolerance has to hold what the equation leaves out at the step size at hand, and the sampling error.
    """
    mean, half = mean_interval(samples / predicted)
    expect = Expectation(within=(1 - tolerance, 1 + tolerance))
    return Finding(says, mean, (mean - half, mean + half), expect, remark)
