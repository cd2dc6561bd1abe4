"""Measuring a step: which widths, with which backend; that its numbers belong to what they are named for."""

import pytest
import torch

from sgdlab.config.landscape import MeasuredLandscape
from sgdlab.config.models import MlpModel
from sgdlab.config.shapes import step_of
from sgdlab.errors import UsageError
from sgdlab.machine.speeds import BackendSpeed, SpeedTable, TrainingSpeed
from sgdlab.training import step_speed
from sgdlab.training.backends.trial import device_name
from sgdlab.training.step_speed import Wanted, measure_step

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture
def run(make_run):
    return make_run(model=MlpModel(hidden_widths=(8,)))


@pytest.fixture
def table(run):
    return SpeedTable(step_of(run), device_name(CPU))


@pytest.fixture
def pretend(monkeypatch):
    """Let each width take so many microseconds an update; return what was measured."""
    asked = []

    def of(update_s):
        def measure_training(members, backend, device, _):
            asked.append((len(members), backend))
            return TrainingSpeed(backend, 0.0, 1e-6 * update_s[len(members)], 0.0, 0.0, 0.0)

        monkeypatch.setattr(step_speed, "_measure_training", measure_training)
        return asked

    return of


def wanted(run, num_runs=100, backend="batched", num_bytes=None):
    return Wanted(run, num_runs, 1000, backend, num_bytes)


def test_wider_packs_are_tried_while_they_gain_and_only_once(run, table, pretend):
    asked = pretend({1: 8.0, 8: 2.0, 32: 1.0, 128: 0.99})
    measure_step(wanted(run, num_runs=20), CPU)
    assert asked == [(1, "batched"), (8, "batched"), (32, "batched")]
    assert {w: s.update_s for w, s in table.training()["batched"].items()} == {1: 8e-6, 8: 2e-6, 32: 1e-6}
    measure_step(wanted(run, num_runs=20), CPU)
    assert len(asked) == 3
    measure_step(wanted(run, num_runs=10**5), CPU)
    assert asked[3:] == [(128, "batched")]


def test_another_backend_is_measured_for_itself(run, table, pretend):
    asked = pretend({1: 1.0, 8: 1.0})
    measure_step(wanted(run), CPU)
    measure_step(wanted(run, backend="vmapped"), CPU)
    assert [backend for _, backend in asked] == ["batched", "batched", "vmapped", "vmapped"]
    with pytest.raises(UsageError, match=r"launcher\.backend=per-run can't train model=mlp"):
        measure_step(wanted(run, backend="per-run"), CPU)


def test_the_landscape_is_no_part_of_a_step(make_run, monkeypatch):
    """Its cost is reckoned: measured with it, evaluations of every run of this step would seem as dear."""
    monkeypatch.setattr("sgdlab.training.instruments.Lookout", None)
    run = make_run(landscape=MeasuredLandscape(quantities=("noise",)))
    assert step_of(run) == step_of(make_run())
    assert step_speed._ShortPack((run,), "batched", CPU, 4).seconds(2, 1) > 0


def test_no_pack_is_tried_that_memory_has_no_room_for(run, table, pretend):
    asked = pretend({1: 8.0, 8: 2.0, 32: 1.0})
    table.add(1, "batched", BackendSpeed(0.0, 8.0, 100))
    measure_step(wanted(run, num_bytes=800), CPU)
    assert asked == [(1, "batched"), (8, "batched")]


def test_no_pack_is_tried_that_would_take_too_long(run, pretend, monkeypatch):
    monkeypatch.setattr(step_speed, "_LONGEST_S", 0.0)
    asked = pretend({1: 8.0, 8: 2.0})
    measure_step(wanted(run), CPU)
    assert asked == [(1, "batched")]


def test_each_number_is_the_difference_that_it_makes(run, monkeypatch):
    """Packs whose time is a known sum: each term is found again."""
    update, evaluation, example, gradient, setup, width = 2e-3, 3e-2, 1e-5, 4e-3, 0.5, 4

    def seconds(pack, num_updates, evaluate_every, statistics="none"):
        num_evaluations = -(-num_updates // evaluate_every)
        num_examples = num_evaluations * len(pack.dataset.train_labels) * width
        num_gradients = pack.num_minibatches if statistics == "end" else 0
        return (
            setup
            + num_updates * update
            + num_evaluations * evaluation
            + num_examples * example
            + num_gradients * gradient
        )

    monkeypatch.setattr(step_speed._ShortPack, "seconds", seconds)
    monkeypatch.setattr(step_speed.Trial, "example_s", lambda *_: example)
    found = step_speed._measure_training([run] * width, "batched", CPU, None)
    assert found.update_s == pytest.approx(update / width)
    assert found.evaluation_s == pytest.approx(evaluation)
    assert found.gradient_s == pytest.approx(gradient / width)
    assert found.setup_s == pytest.approx(setup)
    assert (found.example_s, found.backend) == (example, "batched")


@pytest.mark.parametrize("strength", [0.0, 0.1])
def test_a_real_measurement(run, make_run, strength):
    penalised = make_run(model=MlpModel(hidden_widths=(8,)), strength=strength)
    measure_step(Wanted(penalised, 2, 1000, "auto", None), CPU)
    table = SpeedTable(step_of(penalised), device_name(CPU))
    (speeds,) = table.training().values()
    assert set(speeds) <= {1, 8}
    for speed in speeds.values():
        assert speed.update_s > 0
        assert speed.example_s > 0
    for of_width in table.backends().values():
        assert all(speed.num_bytes > 0 for speed in of_width.values())


def test_parts_of_minibatches_are_measured_for_themselves(run, make_run):
    whole = make_run(model=MlpModel(hidden_widths=(8,)), batch_size=16)
    measure_step(Wanted(whole, 1, 1000, "auto", None, examples_per_pass=4), CPU)
    assert SpeedTable(step_of(whole), device_name(CPU)).training() == {}
    (backend,) = SpeedTable(step_of(whole, 4), device_name(CPU)).training()
    assert backend == "batched"
    assert step_of(whole, 16) == step_of(whole, 64) == step_of(whole)


class Stopwatch:
    """A pack whose trainings take 50 ms and 1 µs an update, but for those that are disturbed."""

    def __init__(self, disturbed):
        self.disturbed = disturbed  # number of updates → seconds that it takes more

    def fastest_s(self, num_updates, _):
        return 0.05 + 1e-6 * num_updates + self.disturbed.get(num_updates, 0.0)


@pytest.mark.parametrize(
    ("disturbed", "few_s"), [({}, 0.05), ({3072: -0.01}, 0.05), ({}, 0.06), ({3072: 0.02}, 0.05)]
)
def test_quick_updates_are_made_until_they_take_most_of_the_time(disturbed, few_s):
    found = step_speed._update_s(Stopwatch(disturbed), 512, few_s + 512e-6)
    assert found == pytest.approx(1e-6, rel=0.25)


def test_a_disturbed_measurement_is_never_nothing():
    found = step_speed._update_s(Stopwatch({}), 512, 1.0)
    assert 1e-6 < found < 2e-6  # too much: everything around the updates is counted among them
