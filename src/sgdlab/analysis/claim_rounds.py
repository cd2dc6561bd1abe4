"""Seeds added to the points of a claim, one round at a time, until it is decided or has all n.

A claim starts with the first seeds of all of its points. Where they leave it undecided, each of its points
gets the next ones, the same seeds everywhere, so that it is always judged on paired seeds and never on points
with different n. Claims don't see each other's seeds: two that share points may stop at different n, and
each is judged on its own. The intervals are those of `sgdlab.analysis.looks`.

Nothing is remembered: where a claim stops follows from what its runs gave, and is worked out again each time.
So it is the same whoever asks, in whichever order runs were trained, and whatever else the store holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sgdlab.analysis.decision import decision_of
from sgdlab.analysis.estimators.any_claim import estimate_claim
from sgdlab.analysis.estimators.estimate import Estimate
from sgdlab.analysis.looks import at_level, level_of_look
from sgdlab.analysis.points import GridRuns, NoSuchPointError, PointId, point_id
from sgdlab.analysis.points_read import points_read
from sgdlab.sweeps.any_claim import Claim
from sgdlab.sweeps.spec import Protocol


@dataclass(frozen=True)
class Followed:
    """How far a claim has come."""

    estimate: Estimate  # at the last complete look; before the first, of what is there
    num_seeds: int  # that each of its points is asked for
    points: Mapping[str, frozenset[PointId]]  # grid → the points on which it hangs
    num_waiting: int  # runs of the next look that have no outcome yet


def follow_claim(claim: Claim, grids: Mapping[str, GridRuns], protocol: Protocol) -> Followed:
    """Look at a claim with more and more seeds, as the protocol has it, until it is decided."""
    looks = protocol.looks
    points = _points(claim, grids, looks[0])
    estimate: Estimate | None = None
    for look, num_seeds in enumerate(looks):
        known = with_first_seeds(grids, num_seeds)
        num_waiting = _num_waiting(known, points)
        if num_waiting and estimate is not None:
            return Followed(estimate, num_seeds, points, num_waiting)
        level = level_of_look(look, len(looks))
        estimate = at_level(estimate_claim(claim, known, protocol), level)
        estimate = replace(estimate, rule=f"{estimate.rule}, {_describe(look, looks, level)}")
        is_last = num_waiting or not points or claim.source == "missing"
        if is_last or decision_of(estimate, claim.expect) != "inconclusive":
            return Followed(estimate, num_seeds, points, num_waiting)
    assert estimate is not None
    return Followed(estimate, looks[-1], points, 0)


def with_first_seeds(grids: Mapping[str, GridRuns], num_seeds: int) -> dict[str, GridRuns]:
    """Return grids with the runs of the first seeds alone."""
    return {
        name: replace(
            own, runs=tuple(tuple(run for run in runs if run.seed < num_seeds) for runs in own.runs)
        )
        for name, own in grids.items()
    }


def _points(claim: Claim, grids: Mapping[str, GridRuns], num_first: int) -> dict[str, frozenset[PointId]]:
    """Return the points of a claim; none where the command line gave an axis other values."""
    points: dict[str, frozenset[PointId]] = {}
    try:
        for read in points_read(claim, grids, num_first):
            points[read.grid] = points.get(read.grid, frozenset()) | read.points
    except NoSuchPointError:
        return {}
    return points


def _num_waiting(grids: Mapping[str, GridRuns], points: Mapping[str, frozenset[PointId]]) -> int:
    return sum(
        run.state == "missing"
        for name, own in grids.items()
        for point, runs in zip(own.points, own.runs, strict=True)
        if point_id(point) in points.get(name, ())
        for run in runs
    )


def _describe(look: int, looks: Sequence[int], level: float) -> str:
    if len(looks) == 1:
        return "at the only look"
    return (
        f"at look {look + 1} of at most {len(looks)}, with {looks[look]} of {looks[-1]} seeds: a "
        f"{100 * level:.4g} % interval, so that all looks together have 95 %"
    )
