"""The choice of a backend: the fastest as measured, its setting up counted; measured once."""

import pytest
import torch

from sgdlab.config.models import MlpModel
from sgdlab.config.shapes import step_of
from sgdlab.errors import UsageError
from sgdlab.machine.speeds import BackendSpeed, SpeedTable
from sgdlab.training.backends import trial
from sgdlab.training.backends.trial import choose_backend, device_name, require_backend

CPU = torch.device("cpu")
TANH = MlpModel(hidden_widths=(7, 10), activation="tanh")  # written-out, batched, vmapped, compiled


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(trial, "_WORTH_TRYING", 1e9)  # whatever it takes, but for compiling


@pytest.fixture
def measured(monkeypatch):
    """Let each backend take what is said here; return the names that were measured."""
    asked = []

    def pretend(speeds):
        def measure(_, name):
            asked.append(name)
            return speeds[name]

        monkeypatch.setattr(trial.Trial, "measure", measure)
        return asked

    return pretend


def test_the_fastest_is_taken_and_measured_once(make_run, measured) -> None:
    speeds = {
        "written-out": BackendSpeed(0.1, 3e-6, 0),
        "batched": BackendSpeed(0.1, 2e-6, 0),
        "vmapped": BackendSpeed(0.1, 9e-6, 0),
    }
    asked = measured(speeds | {"compiled": BackendSpeed(30, 1e-6, 0)})
    runs = [make_run(model=TANH)] * 4
    assert choose_backend(runs, CPU, 1000) == "batched"
    assert asked == ["written-out", "batched", "vmapped", "compiled"]
    assert choose_backend(runs, CPU, 1000) == "batched"
    assert choose_backend(runs[:3], CPU, 1000) == "batched"  # three are as good as four
    assert len(asked) == 4


def test_setting_up_counts_against_the_updates_to_make(make_run, measured) -> None:
    speeds = {
        "written-out": BackendSpeed(0.1, 3e-6, 0),
        "batched": BackendSpeed(0.1, 2e-6, 0),
        "vmapped": BackendSpeed(0.1, 9e-6, 0),
    }
    measured(speeds | {"compiled": BackendSpeed(30, 1e-6, 0)})
    runs = [make_run(model=TANH)] * 4
    # 30 s more, and 1 µs less for each of four runs an update: worth it from 7.5 million updates on
    assert choose_backend(runs, CPU, 7_000_000) == "batched"
    assert choose_backend(runs, CPU, 8_000_000) == "compiled"


def test_nothing_is_tried_for_longer_than_it_could_gain(make_run, measured, monkeypatch) -> None:
    monkeypatch.setattr(trial, "_WORTH_TRYING", 0.02)
    speeds = {
        "written-out": BackendSpeed(0.1, 3e-6, 0),
        "batched": BackendSpeed(0.1, 2e-6, 0),
        "vmapped": BackendSpeed(0.1, 9e-6, 0),
    }
    asked = measured(speeds | {"compiled": BackendSpeed(30, 1e-6, 0)})
    choose_backend([make_run(model=TANH)] * 4, CPU, 1_000_000)  # 8 s of training: 40 s of compiling can't pay
    assert asked == ["written-out", "batched", "vmapped"]


def test_a_real_trial_measures_every_backend_and_leaves_them_in_the_table(make_run) -> None:
    runs = [make_run(seed=seed, strength=0.1) for seed in range(4)]
    chosen = choose_backend(runs, CPU, 1000)
    table = SpeedTable(step_of(runs[0]), device_name(CPU)).at(4)
    assert set(table) >= {"native-256", "native-512", "written-out", "batched", "vmapped"}
    assert all(speed.update_s > 0 and speed.setup_s > 0 for speed in table.values())
    del table["compiled"]
    assert chosen == min(table, key=lambda name: table[name].total_s(4000)) or chosen == "compiled"


def test_one_that_can_t_serve_is_a_clear_error(make_run) -> None:
    runs = [make_run(model=TANH)]
    assert require_backend("vmapped", runs, CPU) == "vmapped"
    with pytest.raises(UsageError, match=r"launcher\.backend=native-256 can't train model=mlp on cpu here"):
        require_backend("native-256", runs, CPU)
