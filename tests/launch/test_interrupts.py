"""Interrupted commands: workers leave checkpoints and end, and the same command goes on from there."""

import json
import os
import re
import signal

import numpy as np
import pytest

from sgdlab.runs.attempt_folder import AttemptFolder

RATES = {"rate": {"label": "rate", "axes": {"optimizer.lr": ["2**-4", "2**-3"]}}}
NUM_UPDATES = 300_000  # some seconds


@pytest.fixture
def long_sweep(terminal):
    terminal.write_sweep("long", RATES, budget__num_updates=NUM_UPDATES, evaluation__every_num_updates=30_000)
    return terminal


def test_a_killed_command_and_an_interrupted_one_are_gone_on_with(long_sweep, finish, wait_until):
    terminal = long_sweep
    arguments = ["run", "long", "tracker=none", "launcher.num_workers=1", "launcher.device=cpu"]

    # killed: its worker notices, leaves a checkpoint, lets go of its runs and ends
    first = terminal.start(*arguments)
    wait_until(lambda: list(terminal.store.attempts.glob("*/manifest.json")))
    first.kill()
    first.communicate()
    wait_until(lambda: not terminal.workers())
    (checkpoint,) = _checkpoints(terminal)
    assert json.loads((checkpoint.parent / "ended.json").read_text()) == {"reason": "released"}
    made_first = _position(checkpoint)
    assert 0 < made_first < NUM_UPDATES
    assert re.search(r"interrupted +6\n", terminal.sgdlab("status", "long").stdout)

    # interrupted: the same, and the command says so; the first checkpoint has served
    second = terminal.start(*arguments, "launcher.checkpoint_every_s=0.3")
    wait_until(lambda: any(_position(path) > made_first for path in _checkpoints(terminal)))
    second.send_signal(signal.SIGINT)
    finished = finish(second)
    assert finished.returncode == 130
    assert finished.stderr.endswith(
        "sgdlab: interrupted: nothing is lost; the same command goes on where it was\n"
    )
    assert terminal.workers() == []
    made_second = max(map(_position, _checkpoints(terminal)))
    assert made_second > made_first

    finished = terminal.sgdlab(*arguments)
    assert finished.returncode == 0
    assert "100% · 6/6 runs done" in finished.stderr.splitlines()[-2]
    for key in terminal.results():
        provenance = terminal.store.read_result(key).provenance
        made_last = int(np.rint(provenance["wall_s"] / provenance["seconds_per_update"]))
        assert made_last == NUM_UPDATES - made_second  # it went on, to the update
    assert list(terminal.store.attempts.iterdir()) == []


@pytest.mark.parametrize("asked_by", [signal.SIGTERM, signal.SIGUSR2])
def test_a_worker_that_slurm_asks_to_stop_leaves_a_checkpoint_and_dies_no_death(
    long_sweep, wait_until, asked_by
):
    terminal = long_sweep
    arguments = ["tracker=none", "launcher.num_workers=1", "launcher.device=cpu"]
    command = terminal.start("run", "long", *arguments, "launcher.checkpoint_every_s=1000")
    wait_until(lambda: list(terminal.store.attempts.glob("*/manifest.json")))
    (worker,) = terminal.workers()
    os.kill(worker, asked_by)
    command.communicate()
    assert terminal.workers() == []
    (checkpoint,) = _checkpoints(terminal)
    assert 0 < _position(checkpoint) < NUM_UPDATES
    assert json.loads((checkpoint.parent / "ended.json").read_text()) == {"reason": "released"}


def _checkpoints(terminal):
    return list(terminal.store.attempts.glob("*/checkpoint.ckpt"))


def _position(checkpoint):
    """The update that a checkpoint stands at; 0 while it is being replaced."""
    return max(AttemptFolder(checkpoint.parent).read_progress().values(), default=0)
