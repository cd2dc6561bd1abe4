"""Judge what a sweep claims: a number with a 95 % interval, held against what is expected of it.

*supported* when the whole interval satisfies the expectation, *not supported* when none of it does,
*inconclusive* otherwise, and whenever something that the number needs is unfinished, diverged or too few. A
claim whose source is missing is *inconclusive*, too: its number is computed, and tests what was assumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from sgdlab.analysis.estimators.agreement import estimate_agreement
from sgdlab.analysis.estimators.collapse import estimate_collapse
from sgdlab.analysis.estimators.difference import estimate_difference
from sgdlab.analysis.estimators.estimate import Estimate
from sgdlab.analysis.estimators.gain import estimate_gain
from sgdlab.analysis.estimators.level import estimate_level
from sgdlab.analysis.estimators.optimum_ratio import estimate_optimum_ratio
from sgdlab.analysis.estimators.order import estimate_order
from sgdlab.analysis.estimators.scaling import estimate_scaling
from sgdlab.analysis.estimators.share import estimate_share
from sgdlab.analysis.estimators.slope import estimate_slope
from sgdlab.analysis.estimators.spread import estimate_spread
from sgdlab.analysis.estimators.trend import estimate_trend
from sgdlab.analysis.observations import Observation
from sgdlab.analysis.points import GridRuns, NoSuchPointError, arrange
from sgdlab.sweeps.any_claim import Claim
from sgdlab.sweeps.claims import Expectation
from sgdlab.sweeps.spec import Protocol, Sweep

Decision = Literal["supported", "not supported", "inconclusive"]

_SOURCE_MISSING = "source missing: the settings are assumed, for no text at hand states them"


@dataclass(frozen=True)
class Verdict:
    """What became of one claim in one panel."""

    claim: Claim
    panel: str
    verdict: Decision
    estimate: float | None
    interval: tuple[float, float] | None  # 95 %; an infinite end where only one side is bounded
    num_seeds: int
    rule: str  # how the number was computed and what was expected of it
    reason: str  # why this verdict, and what was left out


def judge(sweep: Sweep, observations: Iterable[Observation]) -> list[Verdict]:
    """Judge every claim of a sweep in every panel that it speaks of, in the order of the sweep file.

    Raises
    ------
    UsageError
        If an observation doesn't belong to the sweep, or a claim can't be made on the grid that it names.
    """
    arranged = arrange(sweep, observations)
    verdicts = []
    for claim in sweep.claims:
        for panel_name, panel in sweep.panels.items():
            if claim.panels is None or panel_name in claim.panels:
                grids = {grid_name: arranged[panel_name, grid_name] for grid_name in panel.grids}
                try:
                    estimate = _estimate(claim, grids, sweep.protocol)
                except NoSuchPointError as error:
                    estimate = Estimate(None, None, 0, f"{claim.kind} of points", obstacle=str(error))
                verdicts.append(_verdict(claim, panel_name, estimate))
    return verdicts


def decide(interval: tuple[float, float], expect: Expectation) -> Decision:
    """Hold an interval against an expectation; bounds of `within` belong to it."""
    low, high = interval
    if expect.above is not None:
        inside, outside = low > expect.above, high <= expect.above
    elif expect.below is not None:
        inside, outside = high < expect.below, low >= expect.below
    else:
        first, last = expect.within or (low, high)
        inside, outside = first <= low and high <= last, high < first or low > last
    if inside:
        return "supported"
    return "not supported" if outside else "inconclusive"


def describe_expectation(expect: Expectation) -> str:
    """Write what is expected: ``above 0``, ``below 1``, ``within [2.8, 3.2]``."""
    if expect.above is not None:
        return f"above {expect.above:g}"
    if expect.below is not None:
        return f"below {expect.below:g}"
    low, high = expect.within or (0.0, 0.0)
    return f"within [{low:g}, {high:g}]"


def _estimate(claim: Claim, grids: Mapping[str, GridRuns], protocol: Protocol) -> Estimate:
    match claim.kind:
        case "gain":
            return estimate_gain(claim, grids, protocol)
        case "optimum_ratio":
            return estimate_optimum_ratio(claim, grids, protocol)
        case "trend":
            return estimate_trend(claim, grids, protocol)
        case "difference":
            return estimate_difference(claim, grids, protocol)
        case "collapse":
            return estimate_collapse(claim, grids, protocol)
        case "agreement":
            return estimate_agreement(claim, grids, protocol)
        case "scaling":
            return estimate_scaling(claim, grids, protocol)
        case "order":
            return estimate_order(claim, grids, protocol)
        case "spread":
            return estimate_spread(claim, grids, protocol)
        case "level":
            return estimate_level(claim, grids, protocol)
        case "slope":
            return estimate_slope(claim, grids, protocol)
        case "share":
            return estimate_share(claim, grids, protocol)


def _verdict(claim: Claim, panel: str, estimate: Estimate) -> Verdict:
    expected = describe_expectation(claim.expect)
    if estimate.obstacle is not None or estimate.interval is None:
        decision: Decision = "inconclusive"
        reason = estimate.obstacle or "no interval"
    else:
        decision = decide(estimate.interval, claim.expect)
        low, high = estimate.interval
        lies = {"supported": "lies", "not supported": "doesn't lie", "inconclusive": "lies only partly"}[
            decision
        ]
        reason = f"the interval [{low:.4g}, {high:.4g}] {lies} {expected}"
    if claim.source == "missing":
        decision, reason = "inconclusive", f"{_SOURCE_MISSING}; {reason}"
    return Verdict(
        claim=claim,
        panel=panel,
        verdict=decision,
        estimate=estimate.value,
        interval=estimate.interval,
        num_seeds=estimate.num_seeds,
        rule=f"{estimate.rule}; expected {expected}",
        reason="; ".join((reason, *estimate.remarks)),
    )
