"""What happens to jobs when Slurm, or somebody, hurts them; it all comes from the real daemons."""

import time

import pytest

from slurm_cluster.processes import processes_of

COUNT = 'echo run "${SLURM_RESTART_COUNT:-0}" on $SLURMD_NODENAME; '
FOREVER = "exec sleep infinity"


@pytest.fixture
def start(cluster, wait_until):
    """Start a job that says which run of it on which node it is; return it and its node."""

    def start(*options, script=FOREVER, cluster=cluster):
        job = cluster.submit(COUNT + script, "--open-mode=append", *options)
        wait_until(lambda: cluster.output(job))
        return job, runs(cluster, job)[0][1]

    return start


@pytest.fixture
def impatient(make_cluster):
    """A cluster whose commands give up on the controller after two seconds, not ten."""
    return make_cluster(num_nodes=1, extra=("MessageTimeout=2",))


def runs(cluster, job):
    """The runs of a job so far: how often it had been queued again, and the node."""
    lines = [line.split() for line in cluster.output(job).splitlines() if line.startswith("run")]
    return [(int(line[1]), line[3]) for line in lines]


def nodes_with_processes(cluster, job):
    chosen = processes_of(cluster.name, lambda variables: variables.get("SLURM_JOB_ID") == job)
    return {process.environ()["SLURMD_NODENAME"] for process in chosen}


def test_a_requeued_job_runs_again_and_knows_it(cluster, start, wait_until):
    job, _ = start()
    cluster.requeue(job)
    wait_until(lambda: len(runs(cluster, job)) == 2)
    assert [count for count, _ in runs(cluster, job)] == [0, 1]


def test_a_preempted_job_runs_again_elsewhere(cluster, start, wait_until):
    job, first = start("--partition=preemptible")
    intruder = cluster.preempt(job)
    wait_until(lambda: len(runs(cluster, job)) == 2)
    count, second = runs(cluster, job)[1]
    assert count == 1
    assert second != first
    (record,) = cluster.jobs(f"--jobs={intruder}")
    assert (record.node, record.partition, record.state) == (first, "main", "RUNNING")


def test_jobs_of_main_are_not_preempted(cluster, start):
    job, node = start()
    intruder = cluster.preempt(job)
    later = cluster.submit("true", f"--exclude={node}")
    cluster.wait_for(later, "COMPLETED")  # the scheduler has looked at the intruder before
    assert (cluster.state(job), cluster.state(intruder)) == ("RUNNING", "PENDING")


def test_after_a_power_cut_a_job_runs_on_another_node(cluster, start, wait_until):
    job, first = start(script="sleep infinity & sleep infinity")
    cluster.power_cut(first)
    assert processes_of(cluster.name, lambda variables: variables.get("SLURMD_NODENAME") == first) == []
    assert cluster.state(job) == "RUNNING"  # nobody has told the controller
    cluster.set_down(first)
    wait_until(lambda: len(runs(cluster, job)) == 2)
    assert runs(cluster, job)[1][1] != first
    assert cluster.node_state(first).rstrip("*") == "drained"
    cluster.restore(first)
    assert cluster.node_state(first) == "idle"


def test_without_its_slurmd_a_job_goes_on_beside_its_second_run(cluster, start, wait_until):
    job, first = start()
    cluster.kill_slurmd(first)
    cluster.set_down(first)
    wait_until(lambda: len(runs(cluster, job)) == 2)
    second = runs(cluster, job)[1][1]
    assert second != first
    assert nodes_with_processes(cluster, job) == {first, second}


def test_jobs_go_on_while_the_controller_is_away(impatient, start, tmp_path):
    job, _ = start(script=f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done", cluster=impatient)
    impatient.stop_controller()
    refused = impatient.command("squeue")
    assert refused.returncode == 1
    assert "Unable to contact slurm controller" in refused.stderr
    (tmp_path / "go").touch()
    impatient.start_controller()
    impatient.wait_for(job, "COMPLETED")


def test_a_frozen_controller_keeps_commands_waiting(impatient):
    impatient.freeze_controller()
    refused = impatient.command("squeue")
    assert refused.returncode == 1
    assert "Socket timed out" in refused.stderr
    impatient.thaw_controller()
    assert impatient.jobs() == []


def test_cleaning_heals_everything(accounted_cluster, start, wait_until):
    cluster = accounted_cluster
    job, node = start(cluster=cluster)
    cluster.power_cut(node)
    cluster.set_down("n2")
    cluster.stop_accounting()
    cluster.freeze_controller()
    cluster.clean()
    assert [cluster.node_state(name) for name in cluster.nodes] == ["idle"] * 3
    assert cluster.jobs() == []
    wait_until(lambda: cluster.accounted(f"--jobs={job}"))


def test_records_wait_for_accounting_to_come_back(accounted_cluster, wait_until):
    cluster = accounted_cluster
    cluster.stop_accounting()
    assert cluster.command("sacct").returncode == 1
    job = cluster.submit("true")
    cluster.wait_for(job, "COMPLETED")
    cluster.start_accounting()
    wait_until(lambda: "COMPLETED" in [found.state for found in cluster.accounted(f"--jobs={job}")])


@pytest.mark.slow
def test_the_controller_itself_notices_a_power_cut(make_cluster, start):
    cluster = make_cluster(extra=("SlurmdTimeout=5", "MessageTimeout=5"))
    job, first = start(cluster=cluster)
    cluster.power_cut(first)
    deadline = time.monotonic() + 180
    while len(runs(cluster, job)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert cluster.node_state(first).startswith("down")


@pytest.mark.slow
def test_ended_jobs_are_forgotten(make_cluster):
    cluster = make_cluster(num_nodes=1, min_job_age_s=2, accounting=True)
    job = cluster.submit("true")
    cluster.wait_for(job, "")
    assert "Invalid job id" in cluster.command("squeue", f"--jobs={job}").stderr
    assert [found.state for found in cluster.accounted(f"--jobs={job}")] == ["COMPLETED"]
