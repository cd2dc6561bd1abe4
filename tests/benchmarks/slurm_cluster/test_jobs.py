"""What a cluster's jobs are given, and what Slurm says of them."""

import os
import time

import pytest

from slurm_cluster import why_not
from slurm_cluster.installed import program
from slurm_cluster.processes import processes_of


def test_a_job_runs_and_its_output_is_seen(cluster):
    job = cluster.submit("echo job $SLURM_JOB_ID of $SLURM_CLUSTER_NAME; echo trouble >&2")
    cluster.wait_for(job, "COMPLETED")
    assert cluster.output(job).splitlines() == [f"job {job} of {cluster.name}", "trouble"]


def test_a_job_that_fails_says_so(cluster):
    job = cluster.submit("exit 3")
    cluster.wait_for(job, "FAILED")
    (record,) = cluster.jobs("--states=all", f"--jobs={job}")
    assert (record.job, record.partition, record.reason, record.name) == (
        job,
        "main",
        "NonZeroExitCode",
        "wrap",
    )
    assert record.node in cluster.nodes


def test_an_array_runs_so_many_tasks_at_once(cluster):
    array = cluster.submit("echo $SLURM_ARRAY_TASK_ID; sleep 0.2", "--array=0-19%3")
    most, deadline = 0, time.monotonic() + 120
    while queued := cluster.jobs(f"--jobs={array}"):
        most = max(most, sum(job.state == "RUNNING" for job in queued))
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert most == 3
    assert [cluster.output(f"{array}_{task}") for task in range(20)] == [f"{task}\n" for task in range(20)]


def test_gpus_are_numbered_and_never_given_twice(cluster, wait_until):
    script = "echo $CUDA_VISIBLE_DEVICES; exec sleep infinity"
    jobs = [cluster.submit(script, "--gpus=1", "--nodelist=n1") for _ in range(3)]
    both = cluster.submit("echo $CUDA_VISIBLE_DEVICES", "--gpus=2", "--nodelist=n2")
    cluster.wait_for(both, "COMPLETED")
    assert cluster.output(both) == "0,1\n"
    for job in jobs[:2]:
        cluster.wait_for(job, "RUNNING")
    assert cluster.state(jobs[2]) == "PENDING"
    wait_until(lambda: sorted(cluster.output(job) for job in jobs[:2]) == ["0\n", "1\n"])


def test_cancelling_all_leaves_no_job_and_no_process(cluster):
    stubborn = "trap '' TERM; sleep infinity & while true; do sleep 1; done"
    jobs = [cluster.submit(stubborn), cluster.submit(stubborn, "--array=0-3"), cluster.submit("id", "--hold")]
    cluster.wait_for(jobs[0], "RUNNING")
    cluster.cancel_all()
    assert cluster.jobs() == []
    assert processes_of(cluster.name, lambda environment: "SLURM_JOB_ID" in environment) == []


def test_the_environment_speaks_to_this_cluster_alone(cluster, make_cluster):
    other = make_cluster(num_nodes=1)
    job = other.submit("exec sleep infinity")
    assert [queued.job for queued in other.jobs()] == [job]
    assert cluster.jobs() == []
    assert os.environ.get("SLURM_CONF") != other.environment["SLURM_CONF"]


def test_accounting_knows_jobs_after_their_end(accounted_cluster, wait_until):
    good, bad = accounted_cluster.submit("true"), accounted_cluster.submit("exit 3", "--job-name=a|b")
    ends = {(good, "COMPLETED", "0:0"), (bad, "FAILED", "3:0")}
    wait_until(lambda: {(job.job, job.state, job.exit_code) for job in accounted_cluster.accounted()} >= ends)
    (record,) = accounted_cluster.accounted(f"--jobs={bad}")
    assert (record.partition, record.name) == ("main", "a|b")
    assert record.node in accounted_cluster.nodes


def test_without_accounting_sacct_says_that_it_is_disabled(cluster):
    refused = cluster.command("sacct")
    assert refused.returncode == 1
    assert "Slurm accounting storage is disabled" in refused.stderr
    with pytest.raises(RuntimeError, match=r"sacct.*disabled"):
        cluster.accounted()


def test_options_reach_slurm(make_cluster):
    cluster = make_cluster(
        num_nodes=1, max_array_size=50, min_job_age_s=7, kill_wait_s=8, grace_time_s=9, extra=["WaitTime=6"]
    )
    settings = cluster.answer("scontrol", "show", "config")
    found = {line.partition("=")[0].strip(): line.partition("=")[2].split() for line in settings.splitlines()}
    assert found["MaxArraySize"] == ["50"]
    times = [found[name] for name in ("WaitTime", "MinJobAge", "KillWait")]
    assert times == [[number, "sec"] for number in "678"]
    assert "GraceTime=9" in cluster.answer("scontrol", "show", "partition", "preemptible")


def test_missing_programs_are_named_by_their_packages(monkeypatch):
    monkeypatch.setattr(
        "slurm_cluster.installed.program", lambda name: None if "slurm" in name else program(name)
    )
    assert "slurm-wlm slurmdbd" in why_not()
