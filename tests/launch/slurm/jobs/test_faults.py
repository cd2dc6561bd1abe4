"""What happens to jobs on a real Slurm, and what becomes of their runs."""

from __future__ import annotations

import json
import random
import signal
import time
from collections import Counter
from contextlib import suppress

import pytest

from sgdlab.launch.slurm.submission import submissions
from slurm_cluster.processes import kill

SEEDS = {"rate": {"label": "rate", "axes": {"optimizer.lr": ["2**-4"]}}}
LONG = {"budget__num_updates": 60_000, "evaluation__every_num_updates": 2_000}


@pytest.fixture(scope="session")
def _known_bits():
    return {}


@pytest.fixture
def undisturbed(make_desk, _known_bits):
    """The bits of the long sweep, trained once without Slurm and without disturbance."""
    if not _known_bits:
        desk = make_desk("undisturbed")
        desk.terminal.write_sweep("long", SEEDS, **LONG)
        desk.train_here("long")
        _known_bits.update(desk.bits())
    return _known_bits


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
    desk, finish, wait_until, undisturbed
):
    desk.terminal.write_sweep("long", SEEDS, **LONG)
    submission = desk.submit("long", finish, tracker="wandb", launcher__partition="preemptible")
    fate = Fate(desk, submission)
    fate.strike("kill", 12)
    fate.strike("preempt", 12)
    wait_until(lambda: desk.jobs() == [], timeout_s=180)
    assert submission.job(0).ended().reason == "finished", desk.log()
    assert desk.bits() == undisturbed
    exported = [path.name.rpartition("-")[2] for path in desk.terminal.folder.glob("outputs/wandb/*run-*")]
    assert sorted(exported) == sorted(undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_preempted_five_times_over_at_random_instants(desk, finish, wait_until, seed):
    pass


def test_uneven_runs_share_two_gpus_and_one_too_large_fails_alone(desk, finish, wait_until):
    large = {"model.hidden_widths": [60_000, 60_000]}  # 14 GB
    desk.terminal.write_sweep(
        "uneven",
        {
            "uneven": {"label": "uneven", "axes": {"budget.num_updates": [64, 20_000]}},
            "large": {"label": "large", "fixed": large, "axes": {"optimizer.lr": [1]}},
        },
    )
    settings = {"num_workers": 2, "gpus_per_job": 2, "pack_size": 3}
    setup = ["ulimit -v 4000000", "echo GPUs $CUDA_VISIBLE_DEVICES"]
    desk.submit("uneven", finish, setup, **{f"launcher__{name}": value for name, value in settings.items()})
    wait_until(lambda: desk.jobs() == [])
    assert "GPUs 0,1" in desk.log()
    assert sorted(num_updates for _, _, num_updates, *_ in desk.bits().values()) == [64] * 3 + [20_000] * 3
    store = desk.terminal.store
    failures = [store.read_failure(path.parent.name) for path in store.runs.glob("*/*/failed.json")]
    assert len(failures) == 3
    num_claims = Counter(desk.terminal.events("claimed"))
    for failure in failures:
        assert "can't allocate memory: you tried to allocate" in failure.error
        assert num_claims[failure.key] > 1  # in a pack of three, in one of two, alone


def test_a_killing_run_fails_alone_and_preemptions_are_no_deaths(desk, finish, wait_until, poison):
    desk.terminal.environment["PYTHONPATH"] = poison({2: "os.kill(os.getpid(), 9)"})
    desk.terminal.write_sweep("seeds", SEEDS)
    submission = desk.submit("seeds", finish)
    wait_until(lambda: desk.jobs() == [], timeout_s=120)
    assert submission.job(0).ended().reason == "finished"
    assert len(desk.bits()) == 2
    (path,) = desk.terminal.store.runs.glob("*/*/failed.json")
    failure = desk.terminal.store.read_failure(path.parent.name)
    assert failure.error == "the worker died 3 times without a word while training this run"


def test_broken_environments_say_so_and_no_run_suffers(desk, make_desk, finish, wait_until, tmp_path):
    for name in ("torch", "numpy"):
        (tmp_path / f"no-{name}").mkdir()
        (tmp_path / f"no-{name}" / f"{name}.py").write_text(f'raise ImportError("this {name} is poison")\n')
    desks = {name: make_desk(name) for name in ("torch", "numpy", "GPU")}
    for name in ("torch", "numpy"):
        setup = [f"export PYTHONPATH={tmp_path}/no-{name}"]
        desks[name].submit("tiny", finish, setup)
    desks["GPU"].submit("tiny", finish, launcher__gpus_per_job=1, launcher__device="auto")
    wait_until(lambda: not any(desk.jobs() for desk in desks.values()), timeout_s=120)

    for name, desk in desks.items():
        (submission,) = desk.submissions()
        assert desk.cluster.state(submission.job_id()) == "FAILED"
        assert list(desk.terminal.store.runs.glob("*/*")) == []
        if name == "numpy":  # even sgdlab can't be imported: nobody is there to say anything
            assert submission.job(0).ended() is None
            assert any("ImportError: this numpy is poison" in line for line in submission.last_words(0))
        else:
            ended = submission.job(0).ended()
            assert ended.reason == "broken"
            words = {"torch": "ImportError: this torch is poison", "GPU": "sees no GPU, and this worker was"}
            assert words[name] in ended.text
            assert words[name] in desk.log()


def test_one_task_of_an_array_is_asked_to_stop_and_goes_on(desk, finish, wait_until, undisturbed):
    desk.terminal.write_sweep("long", SEEDS, **LONG)
    submission = desk.submit("long", finish, launcher__num_workers=2, launcher__pack_size=2)
    wait_until(lambda: desk.num_updates() > 0)
    array = submission.job_id()
    desk.cluster.answer("scancel", "--signal=USR2", f"{array}_1")
    wait_until(lambda: submission.job(1).ended() is not None)
    assert submission.job(1).ended().reason == "requeued"
    assert submission.job(0).ended() is None
    wait_until(lambda: desk.jobs() == [], timeout_s=180)
    restarts = [desk.cluster.answer("scontrol", "show", "job", f"{array}_{index}") for index in range(2)]
    assert ["Restarts=0" in restarts[0], "Restarts=1" in restarts[1]] == [True, True]
    assert [submission.job(index).ended().reason for index in range(2)] == ["finished", "finished"]
    assert set(desk.bits()) == set(undisturbed)
