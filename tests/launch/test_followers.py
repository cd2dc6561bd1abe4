"""A worker on several devices, here processes on the CPU: alone, and in a pool where some of them are killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sgdlab.launch.local import LocalPool


def pids_of(program: str, *words: str) -> list[int]:
    """Return the living processes of this package's program with these words in their commands."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if f"sgdlab.launch.{program}" in command and all(any(w in part for part in command) for w in words):
            found.append(int(path.parent.name))
    return found


@pytest.fixture
def followers(tmp_path):
    """The followers of this test's workers: they are told the folder of its data."""
    return lambda: pids_of("follower_process", str(tmp_path))


def test_a_pool_of_groups_publishes_every_run(make_plan, store, followers):
    plan = make_plan(num_runs=5, devices_per_run=2, pack_size=3)
    LocalPool(plan, store).run()
    for key in plan.runs:
        result = store.read_result(key)
        assert result.state == "done"
        assert result.provenance["num_devices"] == 2
        assert result.provenance["backend"] == "batched"
    assert followers() == []
    assert list(store.attempts.iterdir()) == []
