"""A worker on two devices, here two processes on the CPU: what it publishes, and who dies with whom."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter

import pytest

from sgdlab.errors import UserError
from sgdlab.launch.local import LocalPool
from sgdlab.runs.journal import read_new
from sgdlab.training.population import Population


@pytest.fixture
def pids(tmp_path, living):
    """The living processes of a program of this test: their commands name its folder."""
    return lambda program: living(program, tmp_path)


@pytest.fixture
def events(store):
    """All events of a kind, from the journals."""
    return lambda kind: [e.event for e in read_new(store.journals, {}) if e.event.kind == kind]


@pytest.fixture
def undisturbed(make_plan, make_worker, store, bits_of):
    """Train a plan in this process, take the results, and clear the store for the test."""

    def train(plan):
        worker = make_worker(plan)
        with worker.followers:
            worker.work()
        bits = {key: bits_of(key) for key in plan.runs}
        for key in plan.runs:
            for path in store.run_folder(key).iterdir():
                path.unlink()
        return bits

    return train


def test_a_killed_follower_takes_its_worker_along_and_the_runs_end_once_with_the_same_bits(
    make_plan, store, pids, events, bits_of, undisturbed
):
    options = {"devices_per_run": 2, "pack_size": 2, "checkpoint_every_s": 0.05}
    plan = make_plan(budgets=[320, 480, 160], **options)  # the third fills a slot
    expected = undisturbed(plan)
    killed = []

    def kill_once(status):
        if status.num_updates > 0 and not killed:
            killed.extend(pids("follower_process"))
            os.kill(killed[0], signal.SIGKILL)

    LocalPool(plan, store, plan.execution.launcher, kill_once).run()
    assert len(killed) == 1
    assert len({event.attempt for event in events("claimed")}) == 3  # undisturbed, killed, and gone on
    assert Counter(event.key for event in events("published")) == dict.fromkeys(plan.runs, 2)
    assert {key: bits_of(key) for key in plan.runs} == expected
    for key in plan.runs:
        provenance = store.read_result(key).provenance
        assert (provenance["num_devices"], provenance["device"]) == (2, "2 × cpu")
        assert (provenance["backend"], provenance["pack_width"]) == ("batched", 2)
    assert pids("follower_process") == []
    assert list(store.attempts.iterdir()) == []


def test_a_killed_worker_leaves_no_follower(make_plan, store, pids, wait_until):
    plan = make_plan(num_runs=1, num_updates=10**7, devices_per_run=2)
    command = [sys.executable, "-m", "sgdlab.launch.worker_process", str(plan.path), str(store.root)]
    worker = subprocess.Popen(
        [*command, "s", "cpu"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    next(line for line in worker.stdout if json.loads(line).get("updates"))
    assert len(pids("follower_process")) == 1
    worker.kill()
    worker.communicate()
    wait_until(lambda: pids("follower_process") == [])


def test_what_fails_on_the_first_device_fails_alone_and_the_next_pack_has_new_followers(
    make_plan, make_worker, store, pids, monkeypatch
):
    plan = make_plan(num_runs=2, pack_size=1, devices_per_run=2)
    poison = plan.packs[0].keys[0]
    true, seen = Population._advance, []

    def raise_for_one(population):
        seen.append(pids("follower_process"))
        if population.members[0].key == poison:
            raise RuntimeError("something about this run")
        true(population)

    monkeypatch.setattr(Population, "_advance", raise_for_one)
    make_worker(plan).work()
    assert {key: store.has_result(key) for key in plan.runs} == {key: key != poison for key in plan.runs}
    assert store.read_failure(poison).error == "RuntimeError: something about this run"
    assert [len(followers) for followers in seen] == [1] * len(seen)
    assert seen[0] != seen[-1]


def test_a_follower_that_cannot_start_is_an_error(make_plan, make_worker, tmp_path, monkeypatch):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho 'no such GPU' >&2; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))
    with pytest.raises(UserError, match=r"a process for another device of a run can't start: no such GPU$"):
        make_worker(make_plan(devices_per_run=2)).work()


def test_a_backend_that_one_device_alone_can_use_is_refused(make_plan, make_worker, store):
    refusal = (
        r"launcher\.backend=written-out can't train model=mlp on 2 devices a run \(cpu\) here; "
        r"use auto, or one of batched$"
    )
    with pytest.raises(UserError, match=refusal):
        make_worker(make_plan(devices_per_run=2, backend="written-out")).work()
