"""`sgdlab plan`: what would be trained, and what it takes once its steps have been measured."""

import json
import re

import pytest

CAREFUL = ("launcher.num_workers=1", "launcher.device=cpu")


@pytest.fixture
def planned(terminal):
    return lambda *options: terminal.sgdlab("plan", "tiny", *CAREFUL, *options)


def test_unknown_costs_are_measured_once_and_then_known(planned):
    before = planned()
    assert "unknown: the steps of 12 of 12 runs were never" in before.stdout
    assert "with --measure this command does it" in before.stdout
    measured = planned("--measure")
    assert measured.returncode == 0, measured.stderr
    assert measured.stderr.splitlines() == [
        "measuring 1 of 2: mlp 8 · digits · B=8",
        "measuring 2 of 2: mlp 8 · digits · B=8 · exact penalty",
    ]
    again = planned("--measure")
    assert (again.stdout, again.stderr) == (measured.stdout, "")
    assert re.search(r"time        about [\d.]+ s with 1 worker, [\d.e-]+ core-hours", again.stdout)
    assert max(map(len, again.stdout.splitlines())) <= 80
    numbers = json.loads(planned("--json").stdout)
    assert numbers["num_unknown"] == 0
    assert numbers["device_hours"] == pytest.approx(numbers["wall_hours"])  # one worker
    assert sum(step["num_runs"] for step in numbers["steps"]) == 12
    assert all(step["update_s"] > 0 and step["backend"] for step in numbers["steps"])


def test_a_backend_that_can_t_train_these_runs_is_one_message(planned):
    elsewhere = planned("--measure", "launcher=slurm", "launcher.device=cuda")
    assert elsewhere.returncode == 2
    assert "the GPUs of Slurm jobs can't be measured from here" in elsewhere.stderr
    refused = planned("--measure", "launcher.backend=per-run")
    assert refused.returncode != 0
    assert "launcher.backend=per-run can't train model=mlp" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_what_several_devices_cost_together_can_t_be_measured(planned):
    refused = planned("--measure", "launcher.devices_per_run=2")
    assert refused.returncode == 2
    assert "steps are measured on one device only; with launcher.devices_per_run=2" in " ".join(
        refused.stderr.split()
    )
