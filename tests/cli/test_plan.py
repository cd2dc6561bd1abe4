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


def test_of_a_folder_the_sweeps_without_the_scale_are_left_out_and_named(terminal):
    (terminal.folder / "sweeps" / "some").mkdir()
    for name in ("some/one", "some/two", "some/three"):
        terminal.write_sweep(name)
    for name in ("one", "three"):
        path = terminal.folder / "sweeps" / "some" / f"{name}.yaml"
        path.write_text(path.read_text().replace("laptop", "paper"))
    for _ in range(2):  # the second time from what was remembered
        planned = terminal.sgdlab("plan", "some", "--json")
        assert planned.returncode == 0, planned.stderr
        assert planned.stderr == "without scale laptop, and left out: some/one, some/three\n"
        assert json.loads(planned.stdout)["sweeps"] == ["some/two @ laptop"]
    nowhere = terminal.sgdlab("plan", "some", "--scale", "huge")
    assert (nowhere.returncode, nowhere.stdout) == (2, "")
    assert nowhere.stderr == "sgdlab: sweeps/some/one.yaml: no scale 'huge'; it has paper\n"
    by_name = terminal.sgdlab("plan", "some/one")
    assert by_name.returncode == 2
    assert by_name.stderr == "sgdlab: sweeps/some/one.yaml: no scale 'laptop'; it has paper\n"
