"""What happens to jobs on a real Slurm, and what becomes of their runs."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter

import pytest

from sgdlab.launch.slurm.submission import submissions

SEEDS = {"rate": {"label": "rate", "axes": {"optimizer.lr": ["2**-4"]}}}
LONG = 60_000  # updates of each of the three runs


@pytest.fixture
def undisturbed(tmp_path_factory):
    """The bits of a sweep that nobody disturbs, trained without Slurm."""


def test_uneven_runs_share_two_gpus_and_one_too_large_fails_alone(desk, finish, wait_until):
    uneven = {"label": "uneven", "axes": {"budget.num_updates": [64, 20_000]}}
    large = {"label": "large", "fixed": {"model.hidden_widths": [60_000, 60_000]}, "axes": {"optimizer.lr": [1]}}
    desk.terminal.write_sweep("uneven", {"uneven": uneven, "large": large})
    setup = ["ulimit -v 4000000", "echo gpus $CUDA_VISIBLE_DEVICES"]
    desk.submit(
        "uneven",
        finish,
        launcher__num_workers=2,
        launcher__gpus_per_job=2,
        launcher__pack_size=3,
        launcher__setup=setup,
    )
    wait_until(lambda: desk.jobs() == [])
    store = desk.terminal.store
    print(desk.log())
    assert "gpus 0,1" in desk.log()
    results = desk.bits()
    assert sorted(num_updates for _, _, num_updates, *_ in results.values()) == [64] * 3 + [20_000] * 3
    failed = [path.parent.name for path in store.runs.glob("*/*/failed.json")]
    assert len(failed) == 3
    print([store.read_failure(key) for key in failed])
    print(Counter(desk.terminal.events("claimed")))
    assert 0
