"""What the next round of an extension would take: runs, updates and time of each of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sgdlab.analysis.extension import Addition, Assessment
from sgdlab.config.compose import Composer
from sgdlab.config.execution import Execution
from sgdlab.config.schema import Run
from sgdlab.launch.devices import num_workers
from sgdlab.launch.measuring import known_costs
from sgdlab.orchestration.grid_extension import Assess
from sgdlab.runs.store import Store
from sgdlab.sweeps.expand import expand
from sgdlab.sweeps.extension import AddedPoint, Record, extend_sweep, read_record, written
from sgdlab.sweeps.forecast import Forecast, forecast
from sgdlab.sweeps.spec import Sweep
from sgdlab.sweeps.survey import survey_runs

_Place = tuple[str, str, str]  # panel, grid, written point


@dataclass(frozen=True)
class PricedAddition:
    """Points to be added to one curve, and what training them takes."""

    addition: Addition
    num_runs: int
    expected: Forecast  # some may be stored already, as other grids have them


@dataclass(frozen=True)
class PricedAssessment:
    """A tuning problem, and what it lacks."""

    assessment: Assessment
    additions: tuple[PricedAddition, ...]


@dataclass(frozen=True)
class Proposal:
    """The next round of a sweep."""

    sweep: Sweep  # with what was added before
    curves: tuple[PricedAssessment, ...]
    expected: Forecast  # of the whole round: a point that two curves ask for counts once


def propose(sweep: Sweep, assess: Assess, execution: Execution, store: Store, composer: Composer) -> Proposal:
    """Assess a sweep as it is written, and price what is missing; submits nothing."""
    record = read_record(store, sweep.name, sweep.scale)
    assessed = assess(sweep, record, store, composer)
    runs_at = _runs_of(sweep, record, assessed.next_points, composer)
    costs, workers = known_costs(execution, store), num_workers(execution.launcher)

    def price(runs: dict[str, Run]) -> Forecast:
        return forecast(survey_runs(runs, store, len(runs)), execution, workers, costs)

    def priced(one: Assessment, addition: Addition) -> PricedAddition:
        own = one.problem.grid_runs
        places = [(own.panel_name, own.grid_name, written(point)) for point in addition.points]
        runs = {key: run for place in places for key, run in runs_at[place].items()}
        return PricedAddition(addition, len(runs), price(runs))

    curves = tuple(
        PricedAssessment(one, tuple(priced(one, addition) for addition in one.additions))
        for one in assessed.assessments
    )
    together = {key: run for runs in runs_at.values() for key, run in runs.items()}
    return Proposal(assessed.extended.sweep, curves, price(together))


def _runs_of(
    sweep: Sweep, record: Record, points: Sequence[AddedPoint], composer: Composer
) -> dict[_Place, dict[str, Run]]:
    """Return the runs that points would have: place → key → run."""
    found: dict[_Place, dict[str, Run]] = {
        (point.panel, point.grid, written(point.point)): {} for point in points
    }
    for row in expand(extend_sweep(sweep, [*record.points, *points]).sweep, composer) if found else ():
        place = (row.panel, row.grid, written(row.point))
        if place in found:
            found[place][row.key] = row.run
    return found
