"""What sweeps take as a whole: shared runs once, and no time that wasn't measured."""

import pytest

from sgdlab.config.execution import Execution, LocalLauncher
from sgdlab.config.shapes import step_of
from sgdlab.machine.devices import Device
from sgdlab.machine.speeds import SpeedTable, TrainingSpeed
from sgdlab.sweeps.cost import CostModel
from sgdlab.sweeps.expand import expand
from sgdlab.sweeps.forecast import forecast
from sgdlab.sweeps.outlook import look_out
from sgdlab.sweeps.survey import survey_runs

CPU = Device("cpu", "made", None)
EXECUTION = Execution(launcher=LocalLauncher(pack_size=4))


@pytest.fixture
def runs_of(load, small, composer, store):
    """Return two sweeps: nine plain runs, and those with three penalised ones; `store` has a cache apart."""
    runs = {row.key: row.run for row in expand(load(small), composer)}
    plain = {key: run for key, run in runs.items() if run.regularizer.kind == "none"}
    return {"plain": plain, "both": runs}


def outlook_of(runs_of):
    return look_out(runs_of, "paper", EXECUTION, 2, CostModel(CPU, None))


def measure(run, update_s):
    SpeedTable(step_of(run), CPU.name).add_training(4, TrainingSpeed("b", 0.5, update_s, 0.0, 0.0, 0.0))


def test_shared_runs_count_once(runs_of):
    found = outlook_of(runs_of)
    assert {name: outlay.num_runs for name, outlay in found.sweeps.items()} == {"plain": 9, "both": 12}
    assert found.sweeps["plain"].num_updates == 9 * 16
    assert (found.together.num_runs, found.together.num_updates) == (12, 12 * 16)
    assert (found.scale, found.device, found.device_kind) == ("paper", "made", "cpu")


def test_a_time_is_told_where_every_step_was_measured(runs_of):
    before = outlook_of(runs_of)
    assert before.sweeps["plain"].device_hours is None
    assert before.sweeps["plain"].num_unknown == 9
    measure(next(iter(runs_of["plain"].values())), 0.25)
    found = outlook_of(runs_of)
    assert found.sweeps["plain"].num_unknown == 0
    assert found.sweeps["plain"].device_hours > 0
    assert (found.sweeps["both"].num_unknown, found.sweeps["both"].device_hours) == (3, None)


def test_it_is_what_a_plan_tells_where_nothing_is_stored(runs_of, store):
    for run in runs_of["both"].values():
        measure(run, 0.25)
    found = outlook_of(runs_of).sweeps["both"]
    planned = forecast(survey_runs(runs_of["both"], store, 15), EXECUTION, 2, CostModel(CPU, None))
    assert found.device_hours == planned.device_hours
    assert found.num_updates == planned.num_updates
