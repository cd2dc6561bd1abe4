"""The extension of a sweep's grids: what its runs say of every optimum, and the next round of points."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from sgdlab.analysis.claims import judge
from sgdlab.analysis.collect import observe
from sgdlab.analysis.extension import Addition, Assessment, Refusal, added_points, assess, refine
from sgdlab.analysis.observations import Observation
from sgdlab.analysis.points import GridRuns, Point, arrange
from sgdlab.analysis.tuning_problems import TuningProblem, tuning_problems
from sgdlab.config.compose import Composer
from sgdlab.errors import UsageError
from sgdlab.runs.store import Store
from sgdlab.sweeps.expand import expand_noting, expand_points
from sgdlab.sweeps.extension import (
    AddedPoint,
    ExtendedSweep,
    Record,
    add_round,
    extend_sweep,
    recording,
    written,
)
from sgdlab.sweeps.remembered import SweepKeys
from sgdlab.sweeps.spec import Sweep

_CLAIMS_OF_OPTIMA = ("optimum_ratio", "scaling")  # those that hang on where between two points an optimum is


@dataclass(frozen=True)
class Assessed:
    """A sweep, and what its runs say of each of its optima."""

    extended: ExtendedSweep
    assessments: list[Assessment]  # in the order of the sweep file

    @property
    def next_points(self) -> list[AddedPoint]:
        """The next round: each point once, whichever optimum asks for it."""
        return _once(
            point
            for one in self.assessments
            for point in added_points(one.problem, one.additions, self.extended.round_of)
        )


def assess_sweep(sweep: Sweep, record: Record, store: Store, composer: Composer) -> Assessed:
    """Judge every optimum of a sweep by the runs in the store; raises as `observe` does.

    Parameters
    ----------
    sweep
        As it is written, without what extensions have added.
    record
        What they have added.
    """
    extended, problems, _ = _problems(sweep, record, store, composer)
    refusal = _refusal(composer, sweep)
    return Assessed(
        extended,
        [assess(one, sweep.protocol, sweep.extend, extended.round_of, refusal) for one in problems],
    )


def assess_between(sweep: Sweep, record: Record, store: Store, composer: Composer) -> Assessed:
    """Propose points around the interior optima on which an inconclusive claim hangs.

    Such are claims of a ratio or of an exponent: they ask where between two points an optimum is.
    """
    extended, problems, observations = _problems(sweep, record, store, composer)
    undecided = {
        (verdict.panel, f"claims[{sweep.claims.index(verdict.claim)}]")
        for verdict in judge(extended.sweep, observations)
        if verdict.verdict == "inconclusive" and verdict.claim.kind in _CLAIMS_OF_OPTIMA
    }
    refusal = _refusal(composer, sweep)
    found = []
    for problem in problems:
        assessment = assess(problem, sweep.protocol, sweep.extend, extended.round_of, refusal)
        hanging = [asker for asker in problem.asked_by if (problem.grid_runs.panel_name, asker) in undecided]
        additions: tuple[Addition, ...] = ()
        if hanging and assessment.standing == "interior":
            additions = refine(problem, sweep.protocol, sweep.extend, extended.round_of, refusal)
            why = f"{assessment.why}; {', '.join(hanging)} undecided"
            assessment = replace(assessment, why=why)
        found.append(replace(assessment, additions=additions))
    return Assessed(extended, found)


Assess = Callable[[Sweep, Record, Store, Composer], Assessed]


def add_rounds(
    sweeps: Sequence[Sweep], store: Store, composer: Composer, assess: Assess = assess_sweep
) -> int:
    """Record the next round of each sweep; return the number of points, 0 where nothing is to be added.

    Raises
    ------
    StoreError
        If the store can't be written.
    """
    num_added = 0
    for sweep in sweeps:
        with recording(store, sweep.name, sweep.scale) as record:
            points = assess(sweep, record, store, composer).next_points
            if points:
                add_round(record, points)
                print(f"extending  {sweep.name}: {_count(points)}", file=sys.stderr)
        num_added += len(points)
    return num_added


def _problems(
    sweep: Sweep, record: Record, store: Store, composer: Composer
) -> tuple[ExtendedSweep, list[TuningProblem], list[Observation]]:
    extended = extend_sweep(sweep, record.points)
    known = SweepKeys(sweep.name)
    deque(expand_noting(extended.sweep, composer, known), maxlen=0)
    observations = observe(extended.sweep, known, store)
    return extended, tuning_problems(extended.sweep, arrange(extended.sweep, observations)), observations


def _refusal(composer: Composer, sweep: Sweep) -> Refusal:
    """Return what asks the schema whether a point may be trained."""

    def refuse(grid_runs: GridRuns, point: Point) -> str | None:
        grid, panel = grid_runs.grid, grid_runs.panel
        alone = grid.model_copy(update={"axes": {axis: [point[axis]] for axis in grid.axes}, "also": []})
        try:
            deque(expand_points({**panel.base, **grid.fixed}, alone, composer, sweep.source), maxlen=0)
        except UsageError as error:
            return str(error)
        return None

    return refuse


def _once(points: Iterable[AddedPoint]) -> list[AddedPoint]:
    found: dict[tuple[str, str, str], AddedPoint] = {}
    for point in points:
        found.setdefault((point.panel, point.grid, written(point.point)), point)
    return list(found.values())


def _count(points: Sequence[AddedPoint]) -> str:
    grids = dict.fromkeys(point.grid for point in points)
    return f"{len(points)} point{'s' * (len(points) > 1)} more on {', '.join(grids)}"
