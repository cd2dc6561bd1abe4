"""Ten thousand runs, submitted by a command that is killed again and again: each is trained once."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter

import pytest
import yaml

NUM_RUNS = 6 * 8 * 6 * 35
AXES = {
    "optimizer.lr": "pow2(-8, -3)",
    "optimizer.batch_size": [2, 3, 4, 5, 6, 8, 10, 12],
    "regularizer.strength": [0, "2**-6", "2**-5", "2**-4", "2**-3", "2**-2"],
}
BUDGET = {"budget__num_updates": 4, "evaluation__every_num_updates": 4, "data__num_train": 24}


@pytest.mark.slow
def test_ten_thousand_runs_are_trained_once_however_often_the_command_is_killed(desk, asking_is_rare):
    grids = {"all": {"label": "all", "fixed": {"regularizer": "gradient_norm"}, "axes": AXES}}
    desk.terminal.write_sweep("many", grids, **BUDGET)
    path = desk.terminal.folder / "sweeps" / "many.yaml"
    sweep = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**sweep, "protocol": {"num_seeds": 35, "keep": 2}}))
    more = ("launcher.backend=batched", "diagnostics=none", "launcher.idle_timeout_s=20")
    instants = random.Random(0)
    for _ in range(5):
        command = desk.start("many", 3, *more)
        time.sleep(instants.uniform(1, 6))
        command.send_signal(signal.SIGKILL)
        command.wait()
        command.communicate()
    finished = desk.run("many", 3, *more)
    assert finished.returncode == 0, finished.stderr
    deadline = time.monotonic() + 1500
    while desk.queued() and time.monotonic() < deadline:
        time.sleep(5)
    published = Counter(desk.terminal.events("published"))
    assert (len(published), set(published.values())) == (NUM_RUNS, {1})
    assert len(desk.terminal.results()) == NUM_RUNS
    assert desk.num_jobs_that_worked() == 3
    asking_is_rare(desk)
