"""The dry run: what would be trained, step by step, and what it takes where that is known."""

import json

import pytest

from sgdlab.cli.plan_view import print_forecast
from sgdlab.config.execution import Execution, LocalLauncher
from sgdlab.config.shapes import step_of
from sgdlab.machine.devices import Device
from sgdlab.machine.speeds import SpeedTable, TrainingSpeed
from sgdlab.sweeps.cost import WORKER_START_S, CostModel
from sgdlab.sweeps.expand import expand
from sgdlab.sweeps.forecast import forecast, unmeasured_steps
from sgdlab.sweeps.survey import survey_runs

CPU = Device("cpu", "made", None)
EXECUTION = Execution(launcher=LocalLauncher(pack_size=4))


@pytest.fixture
def wanted(load, small, composer):
    return {row.key: row.run for row in expand(load(small), composer)}


@pytest.fixture
def plain_and_penalized(wanted):
    """Return one run of each step."""
    kinds = {run.regularizer.kind: run for run in wanted.values()}
    return kinds["none"], kinds["gradient_norm"]


@pytest.fixture
def measure(store):
    """Write a measurement in the table; `store` puts the cache in a folder of its own."""

    def add(run, update_s, width=4):
        table = SpeedTable(step_of(run), CPU.name)
        table.add_training(width, TrainingSpeed("b", 0.5, update_s, 0.0, 0.0, 0.0))

    return add


def forecast_of(wanted, store, execution=EXECUTION):
    found = survey_runs(wanted, store, 15)
    return forecast(found, execution, 2, CostModel(CPU, None))


def test_what_is_unknown_is_said_to_be(store, wanted, plain_and_penalized, measure):
    first = forecast_of(wanted, store)
    assert (first.num_asked, first.num_distinct, first.num_to_train, first.num_packs) == (15, 12, 12, 4)
    assert (first.device_hours, first.wall_hours, first.num_unknown) == (None, None, 12)
    measure(plain_and_penalized[0], 0.25)
    half = forecast_of(wanted, store)
    assert (half.device_hours, half.wall_hours, half.num_unknown) == (None, None, 3)


def test_the_time_adds_up_packs_and_the_start_of_workers(store, wanted, plain_and_penalized, measure):
    for run, update_s in zip(plain_and_penalized, (0.25, 1.0), strict=True):
        measure(run, update_s)
    found = forecast_of(wanted, store)
    # Of 16 updates each: nine runs in three packs of 3, which take as long as packs of 4: 16·4·0.25 + 0.5;
    # three runs in a pack that takes 16·4·1 + 0.5. On two workers the long one goes beside all the others.
    plain, penalized = 16.5, 64.5
    assert found.device_hours * 3600 == pytest.approx(3 * plain + penalized + 2 * WORKER_START_S)
    assert found.wall_hours * 3600 == pytest.approx(penalized + WORKER_START_S)
    assert found.num_unknown == 0
    by_runs = {step.num_runs: step for step in found.steps}
    assert (by_runs[9].num_updates, by_runs[9].num_packs, by_runs[9].pack_width) == (144, 3, 3)
    assert by_runs[9].update_s == pytest.approx(0.25 * 4 / 3)
    assert by_runs[9].device_s == pytest.approx(3 * plain)
    assert by_runs[3].step == "mlp 64-64-64 · digits · B=8 · exact penalty"
    assert (by_runs[3].backend, by_runs[3].device_s) == ("b", pytest.approx(penalized))
    assert json.loads(json.dumps(found.to_dict()))["steps"][0]["num_runs"] in (3, 9)


def test_what_a_measurement_would_tell_more_of(wanted, plain_and_penalized, measure):
    plain, penalized = plain_and_penalized
    found = unmeasured_steps(wanted.values(), Execution(), CostModel(CPU, None))
    assert {(step_of(step.run), step.num_runs) for step in found} == {
        (step_of(plain), 9),
        (step_of(penalized), 3),
    }
    measure(plain, 1.0, width=1)
    measure(plain, 1.0, width=8)  # is as good: nothing more to try
    measure(penalized, 1.0, width=1)  # three may be better together
    (left,) = unmeasured_steps(wanted.values(), Execution(), CostModel(CPU, None))
    assert step_of(left.run) == step_of(penalized)
    alone = Execution(launcher=LocalLauncher(pack_size=1))
    assert unmeasured_steps(wanted.values(), alone, CostModel(CPU, None)) == []


def test_nothing_left_to_train_takes_no_time(store):
    done = forecast_of({}, store)
    assert (done.num_packs, done.num_updates, done.num_workers, done.steps) == (0, 0, 1, ())
    assert (done.device_hours, done.wall_hours) == (0, 0)


@pytest.mark.parametrize(
    ("estimator", "activation", "is_doubtful"),
    [
        ("exact", "relu", False),
        ("forward_difference", "relu", True),
        ("central_difference", "relu", True),
        ("forward_difference", "tanh", False),
        ("central_difference", "gelu", False),
    ],
)
def test_differences_across_kinks_are_cautioned_against(
    store, plain_and_penalized, estimator, activation, is_doubtful, capsys
):
    plain, penalised = plain_and_penalized
    doubtful = penalised.model_copy(
        update={
            "regularizer": penalised.regularizer.model_copy(update={"estimator": estimator}),
            "model": penalised.model.model_copy(update={"activation": activation}),
        }
    )
    planned = forecast_of({"a": plain, "b": doubtful}, store)
    assert planned.num_doubtful_penalties == is_doubtful
    print_forecast(planned)
    cautions = [line for line in capsys.readouterr().out.splitlines() if line.startswith("caution")]
    expected = "caution     1 run: finite differences with ReLU are unreliable (docs/penalty.md)"
    assert cautions == [expected] * is_doubtful
