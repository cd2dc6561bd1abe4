"""What happens to jobs when Slurm, or somebody, hurts them; it all comes from the real daemons."""

import time

import pytest

from slurm_cluster.processes import processes_of

COUNT = 'echo run "${SLURM_RESTART_COUNT:-0}" on $SLURMD_NODENAME; '


def started(cluster, *options, script=COUNT + "exec sleep infinity"):
    """A job whose first line has been written, and its node."""
    job = cluster.submit(script, "--open-mode=append", *options)
    await_line(cluster, job, "run 0")
    return job, cluster.output(job).split()[-1]


def await_line(cluster, job, start, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not any(line.startswith(start) for line in cluster.output(job).splitlines()):
        assert time.monotonic() < deadline, (cluster.output(job), cluster.jobs())
        time.sleep(0.05)


def test_a_requeued_job_runs_again_and_knows_it(cluster):
    job, _ = started(cluster)
    cluster.requeue(job)
    await_line(cluster, job, "run 1")


def test_a_preempted_job_runs_again_elsewhere(cluster):
    job, first = started(cluster, "--partition=preemptible", "--requeue")
    intruder = cluster.preempt(job)
    cluster.wait_for(intruder, "RUNNING")
    await_line(cluster, job, "run 1")
    (record,) = cluster.jobs(f"--jobs={intruder}")
    assert (record.node, record.partition) == (first, "main")
    assert cluster.output(job).split()[-1] != first


def test_jobs_of_main_are_not_preempted(cluster):
    job, _ = started(cluster)
    intruder = cluster.preempt(job)
    cluster.submit("true", "--nodelist=n1,n2,n3", "--nodes=3", "--partition=preemptible")
    time.sleep(1.5)  # slurmctld looks once a second
    assert (cluster.state(job), cluster.state(intruder)) == ("RUNNING", "PENDING")


def test_after_a_power_cut_a_job_runs_on_another_node(cluster):
    job, first = started(cluster, script=COUNT + "sleep infinity & sleep infinity")
    cluster.power_cut(first)
    assert processes_of(cluster.name, lambda variables: variables.get("SLURMD_NODENAME") == first) == []
    assert cluster.state(job) == "RUNNING"  # nobody has told the controller
    cluster.set_down(first)
    await_line(cluster, job, "run 1")
    assert cluster.output(job).split()[-1] != first
    assert cluster.node_state(first).startswith("down")
    cluster.restore(first)
    assert cluster.node_state(first) == "idle"


def test_without_its_slurmd_a_job_goes_on_beside_its_second_run(cluster):
    job, first = started(cluster)
    cluster.kill_slurmd(first)
    cluster.set_down(first)
    await_line(cluster, job, "run 1")
    of_job = processes_of(cluster.name, lambda variables: variables.get("SLURM_JOB_ID") == job)
    assert {process.environ()["SLURMD_NODENAME"] for process in of_job} == set(
        cluster.output(job).split()
    ) & {*cluster.nodes}
    assert len({process.environ()["SLURMD_NODENAME"] for process in of_job}) == 2


def test_jobs_go_on_while_the_controller_is_away(cluster, tmp_path):
    job, _ = started(cluster, script=COUNT + f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done")
    cluster.stop_controller()
    refused = cluster.command("squeue")
    assert refused.returncode == 1
    assert "Unable to contact slurm controller" in refused.stderr
    (tmp_path / "go").touch()
    cluster.start_controller()
    cluster.wait_for(job, "COMPLETED")


def test_cleaning_heals_everything(accounted_cluster):
    cluster = accounted_cluster
    job, node = started(cluster)
    cluster.power_cut(node)
    cluster.set_down("n2")
    cluster.stop_accounting()
    cluster.freeze_controller()
    cluster.clean()
    assert [cluster.node_state(name) for name in cluster.nodes] == ["idle"] * 3
    assert cluster.jobs() == []
    assert job in [record.job for record in cluster.accounted()]


def test_records_wait_for_accounting_to_come_back(accounted_cluster):
    accounted_cluster.stop_accounting()
    assert accounted_cluster.command("sacct").returncode == 1
    job = accounted_cluster.submit("true")
    accounted_cluster.wait_for(job, "COMPLETED")
    accounted_cluster.start_accounting()
    deadline = time.monotonic() + 60
    while (job, "COMPLETED") not in [(found.job, found.state) for found in accounted_cluster.accounted()]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_a_frozen_controller_keeps_commands_waiting(cluster):
    cluster.freeze_controller()
    refused = cluster.command("squeue")
    assert refused.returncode == 1
    assert "Socket timed out" in refused.stderr
    cluster.thaw_controller()
    assert cluster.jobs() == []


@pytest.mark.slow
def test_the_controller_itself_notices_a_power_cut(make_cluster):
    cluster = make_cluster(extra=("SlurmdTimeout=5", "MessageTimeout=5"))
    job, first = started(cluster)
    cluster.power_cut(first)
    await_line(cluster, job, "run 1", timeout_s=120)
    assert cluster.node_state(first).startswith("down")


@pytest.mark.slow
def test_ended_jobs_are_forgotten(make_cluster):
    cluster = make_cluster(num_nodes=1, min_job_age_s=2, accounting=True)
    job = cluster.submit("true")
    cluster.wait_for(job, "")
    assert "Invalid job id" in cluster.command("squeue", f"--jobs={job}").stderr
    assert [found.state for found in cluster.accounted(f"--jobs={job}")] == ["COMPLETED"]


def test_kill_wait_is_the_time_to_put_things_away(make_cluster):
    cluster = make_cluster(num_nodes=1, kill_wait_s=2)
    script = COUNT + "trap 'echo warned; sleep 60; echo spared' TERM; while true; do sleep 0.1; done"
    job, _ = started(cluster, script=script)
    cluster.command("scancel", "--full", job)
    cluster.wait_for(job, "CANCELLED")
    assert "warned" in cluster.output(job)
    assert "spared" not in cluster.output(job)
