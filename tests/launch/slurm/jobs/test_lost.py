"""Nodes and controllers that are lost while jobs run."""

import json
from collections import Counter

import pytest

from sgdlab.runs.processes import Process

SEEDS = {"rate": {"label": "rate", "axes": {"optimizer.lr": ["2**-4"]}}}


def test_without_a_controller_jobs_go_on_and_nothing_is_submitted(desk, finish, wait_until):
    submission = desk.submit("long", finish)
    wait_until(lambda: desk.num_safe_updates() > 0)
    desk.cluster.stop_controller()
    refused = finish(desk.start("long"))
    assert refused.returncode == 1
    assert "Slurm doesn't answer, and nothing was submitted" in refused.stderr.splitlines()[-1]
    wait_until(lambda: submission.job(0).ended() is not None)
    assert submission.job(0).ended().reason == "finished"
    desk.cluster.start_controller()
    wait_until(lambda: desk.jobs() == [])
    assert desk.submissions() == [submission]
    assert Counter(desk.terminal.events("published")) == Counter(list(desk.bits()))


@pytest.mark.slow
def test_a_dead_node_and_a_deaf_one_lose_nothing(make_cluster, make_desk, finish, wait_until):
    """The deaf one's first run goes on beside its rerun, until it finds that out."""
    cluster = make_cluster(num_nodes=4, num_cpus=1, extra=["SlurmdTimeout=5", "MessageTimeout=5"])
    desk = make_desk("desk", cluster)
    desk.terminal.write_sweep(
        "longer", SEEDS, budget__num_updates=160_000, evaluation__every_num_updates=8_000
    )
    submission = desk.submit("longer", finish, launcher__num_workers=2, launcher__pack_size=2)
    wait_until(lambda: desk.num_safe_updates() > 0 and all(job.node for job in desk.jobs()))
    wait_until(lambda: all((submission.job(index).path / "begun.json").exists() for index in range(2)))
    dead, deaf = sorted(desk.jobs(), key=lambda job: job.job)
    orphan = _pool(submission.job(1))
    cluster.power_cut(dead.node)
    cluster.kill_slurmd(deaf.node)
    cluster.set_down(deaf.node)
    wait_until(lambda: _pool(submission.job(1)) != orphan)
    assert not orphan.is_gone()
    wait_until(orphan.is_gone)
    assert desk.jobs() != []
    wait_until(lambda: desk.jobs() == [])
    assert Counter(desk.terminal.events("published")) == Counter(list(desk.bits()))
    assert len(desk.bits()) == 3
    assert desk.terminal.events("failed") == []


def _pool(job):
    """The process that is a job now."""
    return Process(**json.loads((job.path / "begun.json").read_text()))


@pytest.mark.slow
def test_jobs_that_slurm_has_forgotten_are_neither_missed_nor_submitted_twice(
    make_cluster, make_desk, finish, wait_until
):
    cluster = make_cluster(num_nodes=1, min_job_age_s=2)
    desk = make_desk("desk", cluster)
    first = desk.submit("long", finish)
    wait_until(lambda: desk.num_safe_updates() > 0)
    cluster.answer("scancel", first.job_id())
    wait_until(lambda: cluster.state(first.job_id()) == "")
    assert first.job(0).ended().reason == "stopped"

    second = desk.submit("long", finish)
    assert second.number == 2
    finish(desk.start("long"))
    assert desk.submissions() == [first, second]
    wait_until(lambda: desk.jobs() == [])
    wait_until(lambda: cluster.state(second.job_id()) == "")
    assert "nothing to submit" in finish(desk.start("long")).stdout
    assert Counter(desk.terminal.events("published")) == Counter(list(desk.bits()))
