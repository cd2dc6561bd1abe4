"""Which runs the protocol's rule for seeds asks for, and which of them it spares.

With `protocol.seeds: all`, the default and what the papers do, every point gets all n. With `claims` or
`halving` it depends on what the first seeds gave; nothing is remembered of that, see `claim_rounds` and
`halving`. A point that lacks runs for a value gets more seeds with `claims`, too, as long as one is possible.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sgdlab.analysis.claim_rounds import follow_claim
from sgdlab.analysis.halving import halve
from sgdlab.analysis.observations import Observation
from sgdlab.analysis.points import GridRuns, NoSuchPointError, PointId, arrange, point_id
from sgdlab.analysis.points_read import points_read
from sgdlab.analysis.tuning_problems import tuning_problems
from sgdlab.sweeps.spec import Protocol, Sweep

Arranged = Mapping[tuple[str, str], GridRuns]
Place = tuple[str, str, PointId]  # panel, grid, point


def spare(sweep: Sweep, observations: Sequence[Observation]) -> list[Observation]:
    """Mark the runs that the rule doesn't ask for; what became of them elsewhere is not looked at.

    Raises
    ------
    UsageError
        If an observation doesn't belong to the sweep, or a claim can't be made on the grid that it names.
    """
    if sweep.protocol.seeds == "all":
        return list(observations)
    asked = _seeds_asked_for(sweep, observations)
    return [_spared(run, asked, sweep.protocol) for run in observations]


def describe_rounds(sweep: Sweep, observations: Iterable[Observation]) -> list[str]:
    """Say how many seeds points have and why, a sentence each, of runs as `spare` marks them.

    Nothing where the protocol gives every point all of them.
    """
    if sweep.protocol.seeds == "all":
        return []
    at_points = Counter(
        (run.panel, run.grid, point_id(run.point)) for run in observations if run.state != "spared"
    )
    num_seeds = Counter(at_points.values())
    numbers = ", ".join(f"{count} with {seeds}" for seeds, count in sorted(num_seeds.items()))
    points = f"Points by their number of seeds, of {sweep.protocol.num_seeds}: {numbers}."
    if sweep.protocol.seeds == "claims":
        return [
            "Seeds were added one round at a time to the points of a claim until it was decided "
            "(protocol.seeds=claims), and not for a reproduction. Intervals are wider for that, so that "
            "those of all looks at a claim together have 95 %, as far as each has its own level; a number at which "
            "one stopped tends to be too far from its threshold.",
            points,
        ]
    return [
        "Points that could hardly be the best were stopped early by successive halving over seeds "
        f"(protocol.seeds=halving, rungs at {' and '.join(map(str, sweep.protocol.looks[:-1]))} seeds), and "
        "have no value.",
        points,
    ]


def _seeds_asked_for(sweep: Sweep, observations: Iterable[Observation]) -> dict[Place, int]:
    """Return how many seeds each point is asked for, as far as outcomes are known."""
    seen = [replace(run, state="missing") if run.state == "spared" else run for run in observations]
    arranged = arrange(sweep, seen)
    if sweep.protocol.seeds == "halving":
        return _asked_in_halving(sweep, arranged)
    return _asked_by_claims(sweep, arranged)


def _spared(run: Observation, asked: Mapping[Place, int], protocol: Protocol) -> Observation:
    num_seeds = asked[run.panel, run.grid, point_id(run.point)]
    if run.seed < num_seeds:
        return replace(run, state="missing") if run.state == "spared" else run
    stopped = "stopped by halving" if protocol.seeds == "halving" else "asked for"
    why = f"spared: {stopped} with {num_seeds} of {protocol.num_seeds} seeds"
    return replace(run, state="spared", metrics={}, curves={}, why=why)


def _asked_by_claims(sweep: Sweep, arranged: Arranged) -> dict[Place, int]:
    asked = {
        (panel, grid, point_id(point)): _seeds_for_a_value(runs, sweep.protocol)
        for (panel, grid), own in arranged.items()
        for point, runs in zip(own.points, own.runs, strict=True)
    }
    for claim in sweep.claims:
        for panel in claim.panels or sweep.panels:
            if panel in sweep.panels:
                followed = follow_claim(claim, _grids_of(panel, arranged), sweep.protocol)
                for grid, points in followed.points.items():
                    for point in points:
                        asked[panel, grid, point] = max(asked[panel, grid, point], followed.num_seeds)
    return asked


def _seeds_for_a_value(runs: Sequence[Observation], protocol: Protocol) -> int:
    """Return the smallest number of seeds of the looks that may give a value, or show that there is none."""
    for num_seeds in protocol.looks:
        states = [run.state for run in runs if run.seed < num_seeds]
        num_possible = len(states) - states.count("diverged") - states.count("failed")
        if num_possible >= protocol.keep or states.count("diverged") > protocol.num_seeds - protocol.keep:
            return num_seeds
    return protocol.num_seeds


def _asked_in_halving(sweep: Sweep, arranged: Arranged) -> dict[Place, int]:
    """Return what the problem says that asks for most; all seeds where no problem has a say."""
    asked: dict[Place, int] = {}
    for problem in tuning_problems(sweep, arranged):
        own = problem.grid_runs
        for point, num_seeds in zip(own.points, halve(problem, sweep.protocol), strict=True):
            place = (own.panel_name, own.grid_name, point_id(point))
            asked[place] = max(asked.get(place, 0), num_seeds)
    for place in _read_for_themselves(sweep, arranged):
        asked[place] = sweep.protocol.num_seeds
    for (panel, grid), own in arranged.items():
        for point in own.points:
            asked.setdefault((panel, grid, point_id(point)), sweep.protocol.num_seeds)
    return asked


def _read_for_themselves(sweep: Sweep, arranged: Arranged) -> Iterable[Place]:
    for claim in sweep.claims:
        for panel in claim.panels or sweep.panels:
            if panel in sweep.panels:
                try:
                    read = list(points_read(claim, _grids_of(panel, arranged), sweep.protocol.looks[0]))
                except NoSuchPointError:
                    continue
                yield from (
                    (panel, one.grid, point) for one in read if not one.is_choice for point in one.points
                )


def _grids_of(panel: str, arranged: Arranged) -> dict[str, GridRuns]:
    return {grid: own for (name, grid), own in arranged.items() if name == panel}
