"""Jobs that Slurm takes their nodes from, with a warning and without."""

import random
import time

import pytest

from sgdlab.tracking.summary_export import summary_id
from slurm_cluster.processes import kill


class Fate:
    """What strikes one job, again and again."""

    def __init__(self, desk, submission, seed=0):
        self.desk, self.cluster, self.submission = desk, desk.cluster, submission
        self.random, self.job, self.num_strikes = random.Random(seed), submission.job_id(), 0

    def strike(self, kind, longest_wait_s):
        """Wait until the job runs (again), a random while more, and strike."""
        deadline = time.monotonic() + 120
        while not (self._restarts() == self.num_strikes and self.cluster.state(self.job) == "RUNNING"):
            assert self.cluster.state(self.job) not in ("COMPLETED", "FAILED"), self.desk.log()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(self.random.uniform(0, longest_wait_s))
        getattr(self, kind)()
        self.num_strikes += 1

    def requeue(self):
        self.cluster.requeue(self.job)

    def preempt(self):
        intruder = self.cluster.preempt(self.job)
        self.cluster.wait_for(intruder, "RUNNING")
        self.cluster.answer("scancel", intruder)

    def kill(self):
        """No warning: not one of its processes is left."""
        kill(self.cluster.name, lambda environment: environment.get("SLURM_JOB_ID") == self.job)
        self.cluster.requeue(self.job)

    def _restarts(self):
        shown = self.cluster.answer("scontrol", "show", "job", self.job)
        return int(shown.partition("Restarts=")[2].split()[0])


def test_preempted_again_and_again_a_run_ends_with_the_same_bits_and_one_wandb_run(
    make_cluster, make_desk, finish, wait_until, undisturbed
):
    desk = make_desk("desk2", make_cluster(num_nodes=1, kill_wait_s=30))  # time to stop on a busy machine too
    settings = {"launcher__partition": "preemptible", "launcher__checkpoint_every_s": 1000}
    submission = desk.submit("long", finish, tracker="wandb", **settings)
    fate = Fate(desk, submission)
    wait_until(lambda: list(desk.terminal.store.attempts.glob("*/manifest.json")))
    fate.strike("preempt", 3)
    wait_until(lambda: submission.job(0).ended())
    assert submission.job(0).ended().reason == "stopped"
    assert desk.num_safe_updates() > 0  # the warning's checkpoint: there is no other
    fate.strike("kill", 10)
    wait_until(lambda: desk.jobs() == [])
    assert submission.job(0).ended().reason == "finished", desk.log()
    assert desk.bits() == undisturbed
    assert sorted(desk.exported()) == sorted([*undisturbed, summary_id("long", "laptop").rpartition("-")[2]])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_five_times_over_at_random_instants(desk, finish, wait_until, undisturbed, seed):
    submission = desk.submit("long", finish, tracker="wandb", launcher__partition="preemptible")
    fate = Fate(desk, submission, seed)
    for kind in fate.random.choices(["requeue", "preempt", "kill"], k=5):
        fate.strike(kind, 6)
    wait_until(lambda: desk.jobs() == [])
    assert desk.bits() == undisturbed
    assert sorted(desk.exported()) == sorted([*undisturbed, summary_id("long", "laptop").rpartition("-")[2]])
