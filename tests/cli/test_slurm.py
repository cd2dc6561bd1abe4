"""A person and a real Slurm: run, status, cancel, retry."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

SLURM = ("launcher=slurm", "launcher.gpus_per_job=0", "launcher.num_workers=2", "launcher.backend=batched")
QUICK = ("launcher.heartbeat_every_s=0.5", "launcher.lease_timeout_s=6", "launcher.checkpoint_every_s=1")
LONG = 3_000_000  # updates: no test waits for their end


def rates(axis):
    return {"rate": {"label": "a", "axes": {"optimizer.lr": axis}}}


@pytest.fixture
def desk(terminal, cluster):
    """A terminal on a machine of the cluster."""
    return replace(terminal, environment=cluster.environment)


def submit(desk, *arguments):
    finished = desk.sgdlab("run", *arguments, *SLURM, *QUICK)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def state(desk, name):
    finished = desk.sgdlab("status", name, "--json")
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def test_status_tells_of_jobs_and_of_a_file_that_has_changed(desk, cluster, wait_until, words):
    desk.write_sweep("tiny", budget__num_updates=LONG)
    assert "submitted  2 jobs, 1 worker each, as " in submit(desk, "tiny")
    (job,) = {row.job.partition("_")[0] for row in cluster.jobs()}
    first = words(desk.sgdlab("status", "tiny").stdout)
    assert f"job {job} 2 jobs" in first
    wait_until(lambda: state(desk, "tiny")["counts"]["running"] == 12)
    wait_until(lambda: state(desk, "tiny")["submissions"][0]["queued"] == {"RUNNING": 2})
    assert "nothing submitted: 2 jobs for these runs wait or run already" in submit(desk, "tiny")
    path = desk.folder / "sweeps" / "tiny.yaml"
    path.write_text(path.read_text().replace("num_seeds: 3", "num_seeds: 2"))
    changed = words(desk.sgdlab("status", "tiny").stdout)
    assert (
        "have changed since: 4 of its runs aren't asked for any more; it trains what was submitted" in changed
    )
    assert desk.sgdlab("cancel", "tiny").returncode == 0


def test_cancelling_a_sweep_stops_only_what_no_other_wants(desk, cluster, wait_until):
    desk.write_sweep("narrow", rates("pow2(-5, -4)"), budget__num_updates=2_000)
    desk.write_sweep("wide", rates("pow2(-5, -2)"), budget__num_updates=2_000)
    slow = ("launcher.sbatch.begin=now+30",)
    submit(desk, "narrow", *slow)
    submit(desk, "wide", *slow)
    cancelled = desk.sgdlab("cancel", "wide")
    assert cancelled.stdout.startswith("cancelled job ")
    assert len({row.name for row in cluster.jobs()}) == 1
    for row in cluster.jobs():
        cluster.answer("scontrol", "update", f"jobid={row.job}", "starttime=now")
    wait_until(lambda: state(desk, "narrow")["counts"]["done"] == 6)
    counts = state(desk, "wide")["counts"]
    assert (counts["done"], counts["waiting"]) == (6, 6)
    assert (
        desk.sgdlab("cancel", "wide").stdout
        == "nothing to cancel: there are no jobs that only these sweeps want\n"
    )
    assert "submitted" in submit(desk, "wide")
    wait_until(lambda: state(desk, "wide")["counts"]["done"] == 12)


def test_runs_that_two_submissions_have_go_on_where_a_cancelled_one_left_them(desk, wait_until):
    desk.write_sweep("one", budget__num_updates=20_000)
    desk.write_sweep("more", rates("pow2(-6, -3)"), budget__num_updates=20_000)
    submit(desk, "one")
    wait_until(lambda: state(desk, "one")["counts"]["running"] == 12)
    assert submit(desk, "more").startswith("submitted")
    assert desk.sgdlab("cancel", "one").stdout.startswith("cancelled job")
    wait_until(lambda: state(desk, "more")["counts"]["done"] == 12)
    assert sorted(desk.events("published")) == sorted(desk.results())
    assert state(desk, "one")["counts"]["done"] == 9


def test_a_submission_that_two_sweeps_want_goes_on_for_the_other(desk, cluster):
    desk.write_sweep("one", budget__num_updates=LONG)
    desk.write_sweep("same", budget__num_updates=LONG)
    assert submit(desk, "one").startswith("submitted")
    assert submit(desk, "same").startswith("nothing submitted")
    assert desk.sgdlab("cancel", "one").stdout.startswith("nothing to cancel")
    assert len(cluster.jobs()) == 2
    assert state(desk, "one")["submissions"] == []
    assert desk.sgdlab("cancel", "same").stdout.startswith("cancelled job")


def test_what_was_submitted_together_is_cancelled_together(desk):
    desk.write_sweep("one", budget__num_updates=LONG)
    desk.write_sweep("two", budget__num_updates=LONG, optimizer__batch_size=4)
    submit(desk, "one", "two")
    refused = desk.sgdlab("cancel", "one")
    assert refused.returncode == 1
    assert "submitted these sweeps together with two @ laptop; name them all" in refused.stderr
    assert desk.sgdlab("cancel", "one", "two").stdout.startswith("cancelled job ")


def test_a_broken_environment_is_told_by_status_with_its_words(desk, wait_until, words):
    """The GPUs of this cluster are none: torch sees nothing."""
    finished = desk.sgdlab("run", "tiny", "launcher=slurm", "launcher.num_workers=1", *QUICK)
    assert finished.returncode == 0, finished.stderr
    wait_until(lambda: [view for view in state(desk, "tiny")["submissions"] if view["broken"]])
    shown = words(desk.sgdlab("status", "tiny").stdout)
    assert "could train nothing: " in shown
    assert "sees no GPU, and this worker was given one (CUDA_VISIBLE_DEVICES=0)" in shown
    assert "use launcher.device=cpu logs: " in shown
    assert state(desk, "tiny")["counts"]["waiting"] == 12
    assert desk.events("claimed") == []


def test_without_slurm_one_line_says_so_and_nothing_is_left(terminal, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    refused = terminal.sgdlab("run", "tiny", *SLURM)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == (
        "sgdlab: srun isn't there: launcher=slurm needs a machine of the cluster"
    )
    assert "job" not in terminal.sgdlab("status", "tiny").stdout


def test_failures_are_retried_by_their_error(trained):
    store = trained.store
    keys = sorted(trained.results())[:2]
    for key, error in zip(keys, ["out of memory", "Segmentation fault"], strict=True):
        store.result_path(key).unlink()
        content = {"key": key, "attempt": "a", "error": error, "log": "log", "at": "2026-01-01T00:00:00"}
        store.failure_path(key).write_text(json.dumps(content))
    assert state(trained, "tiny")["counts"]["failed"] == 2
    assert trained.sgdlab("retry", "tiny", "--error", "memory").stdout.startswith("1 failed runs cleared")
    assert [failure["error"] for failure in state(trained, "tiny")["failures"]] == ["Segmentation fault"]
    wrong = trained.sgdlab("retry", "tiny", "--state", "damaged", "--error", "memory")
    assert (wrong.returncode, "--error goes with --state failed" in wrong.stderr) == (2, True)
