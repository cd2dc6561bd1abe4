"""Judge what a sweep claims: a number with a 95 % interval, held against what is expected of it.

*supported* when the whole interval satisfies the expectation, *not supported* when none of it does,
*inconclusive* otherwise, and whenever something that the number needs is unfinished, diverged or too few. A
claim whose source is missing is *inconclusive*, too: its number is computed, and tests what was assumed.
Where seeds are added until claims are decided, intervals are wider: see `sgdlab.analysis.looks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from sgdlab.analysis.claim_rounds import Followed, follow_claim
from sgdlab.analysis.decision import Decision, decide, decision_of
from sgdlab.analysis.estimators.any_claim import estimate_claim
from sgdlab.analysis.estimators.estimate import Estimate
from sgdlab.analysis.leave_one_out import leave_one_out
from sgdlab.analysis.observations import Observation
from sgdlab.analysis.points import GridRuns, arrange
from sgdlab.sweeps.any_claim import Claim
from sgdlab.sweeps.claims import Expectation
from sgdlab.sweeps.spec import Protocol, Sweep

_SOURCE_MISSING = "source missing: the settings are assumed, for no text at hand states them"


@dataclass(frozen=True)
class Verdict:
    """What became of one claim in one panel."""

    claim: Claim
    panel: str
    verdict: Decision
    estimate: float | None
    interval: tuple[float, float] | None  # 95 %; an infinite end where only one side is bounded
    num_seeds: int  # that entered the number
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
                judged = _judge_in_rounds if sweep.protocol.seeds == "claims" else _judge_at_once
                verdicts.append(judged(claim, panel_name, grids, sweep.protocol))
    return verdicts


def describe_number(verdict: Verdict) -> str | None:
    """Write the number and its interval, ``0.347 [0.0435, 0.444]``; None where there is none."""
    if verdict.estimate is None or verdict.interval is None:
        return None
    low, high = verdict.interval
    return f"{verdict.estimate:.3g} [{low:.3g}, {high:.3g}]"


def describe_expectation(expect: Expectation) -> str:
    """Write what is expected: ``above 0``, ``below 1``, ``within [2.8, 3.2]``."""
    if expect.above is not None:
        return f"above {expect.above:g}"
    if expect.below is not None:
        return f"below {expect.below:g}"
    low, high = expect.within or (0.0, 0.0)
    return f"within [{low:g}, {high:g}]"


def _judge_at_once(claim: Claim, panel: str, grids: Mapping[str, GridRuns], protocol: Protocol) -> Verdict:
    estimate = estimate_claim(claim, grids, protocol)
    verdict = _verdict(claim, panel, estimate)
    if verdict.verdict == "inconclusive" and estimate.obstacle is None:
        odd = _name_odd_seed(claim, grids, protocol)
        return replace(verdict, reason="; ".join((verdict.reason, *odd)))
    return verdict


def _judge_in_rounds(claim: Claim, panel: str, grids: Mapping[str, GridRuns], protocol: Protocol) -> Verdict:
    followed = follow_claim(claim, grids, protocol)
    verdict = _verdict(claim, panel, followed.estimate)
    return replace(verdict, reason="; ".join((verdict.reason, *_describe_rounds(followed, protocol))))


def _describe_rounds(followed: Followed, protocol: Protocol) -> Iterator[str]:
    """Say how many seeds the claim's points have, and whether there are to be more."""
    points = sum(map(len, followed.points.values()))
    if followed.num_waiting:
        runs = "1 run" if followed.num_waiting == 1 else f"{followed.num_waiting} runs"
        yield f"{runs} of the first {followed.num_seeds} seeds of its {points} points have no outcome yet"
    elif followed.num_seeds < protocol.num_seeds:
        yield f"stopped with {followed.num_seeds} of {protocol.num_seeds} seeds at its {points} points"


def _verdict(claim: Claim, panel: str, estimate: Estimate) -> Verdict:
    expected = describe_expectation(claim.expect)
    decision: Decision = decision_of(estimate, claim.expect)
    if estimate.obstacle is not None or estimate.interval is None:
        reason = estimate.obstacle or "no interval"
    else:
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


def _name_odd_seed(claim: Claim, grids: Mapping[str, GridRuns], protocol: Protocol) -> tuple[str, ...]:
    """Name the seed without which it would be decided, where leaving out any other decides nothing."""
    decided = {
        seed: (decide(estimate.interval, claim.expect), estimate.value)
        for seed, estimate in leave_one_out(claim, grids, protocol).items()
        if estimate.interval is not None and estimate.obstacle is None
    }
    decisive = [seed for seed, (decision, _) in decided.items() if decision != "inconclusive"]
    if len(decisive) != 1:
        return ()
    (seed,) = decisive
    decision, value = decided[seed]
    return (f"without seed {seed} alone it would be {decision}, at {value:.4g}",)
