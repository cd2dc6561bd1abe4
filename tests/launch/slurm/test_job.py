"""What a job does beside training, with Slurm's commands played by scripts and the pool by nobody."""

import os
import signal
import time
from datetime import UTC, datetime

import pytest

from sgdlab.config.execution import SlurmLauncher
from sgdlab.errors import UserError
from sgdlab.launch.local import PoolStatus
from sgdlab.launch.slurm import job as job_module
from sgdlab.launch.slurm.job import BrokenJobError, work
from sgdlab.launch.slurm.submission import Intent, Submission, submissions
from sgdlab.sweeps.plan import freeze


class Call:
    """What a job calls; nothing."""

    def __call__(self) -> None: ...


class IdlePool:
    """A pool whose workers have made an update and wait; `happens` once they do."""

    happens = staticmethod(lambda: None)
    num_updates = 1

    def __init__(self, plan, store, launcher, session, on_status, stop_requested, on_start):
        self.store, self.on_status, self.stop_requested = store, on_status, stop_requested

    def run(self) -> None:
        type(self).happens()
        self.on_status(PoolStatus(num_updates=self.num_updates))
        deadline = time.monotonic() + 30
        while not self.stop_requested():
            assert time.monotonic() < deadline
            self.on_status(PoolStatus(num_updates=self.num_updates))
            time.sleep(0.01)


@pytest.fixture(autouse=True)
def _signals():
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR2)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture
def pool(monkeypatch):
    monkeypatch.setattr(job_module, "LocalPool", IdlePool)
    monkeypatch.setattr(job_module, "_LOOK_AROUND_EVERY_S", 0.0)
    monkeypatch.setattr(job_module, "_TRY_AGAIN_AFTER_S", 0.01)
    return lambda happens: monkeypatch.setattr(IdlePool, "happens", staticmethod(happens))


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Commands that note how they were called and answer as told."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def answer(name, line):
        script = folder / name
        note = f'echo "$@" >> {tmp_path}/{name}.txt\nenv > {tmp_path}/{name}.env'
        script.write_text(f"#!/bin/sh\n{note}\n{line}\n")
        script.chmod(0o755)

    for name in ("srun", "squeue"):
        answer(name, "true")
    answer("scontrol", "true")
    answer("sbatch", "echo Submitted batch job 77")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "21")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "21")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    monkeypatch.setenv("SLURM_CPU_BIND", "mask")
    return answer


@pytest.fixture
def make_submission(make_plan, store):
    def make(**launcher):
        plan = make_plan()
        settings = {"wall_time_min": 10, "stop_before_end_s": 60, "gpus_per_job": 0, **launcher}
        execution = plan.execution.model_copy(update={"launcher": SlurmLauncher(**settings)})
        plan = freeze(store.root / "plans", ["test"], execution, plan.runs, plan.runs, 1)
        intent = Intent(plan.id, plan.sweeps, 3, len(plan.runs), "code", datetime.now(UTC).isoformat())
        return Submission.create(store, plan, intent)

    return make


def do(submission, store):
    return work(submission, store, lambda _: Call())


def forbidden():
    raise AssertionError("training was begun")


@pytest.mark.parametrize(
    "tell", [lambda submission: submission.withdraw(["test"]), lambda submission: submission.decide("void")]
)
def test_a_job_that_nobody_counts_on_trains_nothing(make_submission, store, pool, tell):
    pool(forbidden)
    submission = make_submission()
    tell(submission)
    do(submission, store)
    assert list(submission.jobs()) == []


def test_a_cancelled_job_ends_soon(make_submission, store, pool, slurm):
    submission = make_submission()
    pool(lambda: submission.withdraw(["test"]))
    assert do(submission, store) == submission.job(2).ended().reason == "cancelled"


def test_a_job_that_runs_again_elsewhere_ends_without_a_word(make_submission, store, pool, slurm):
    submission = make_submission()
    elsewhere = '{"host": "n7", "boot_id": "another", "pid": 1, "pid_start": 2}'
    pool(lambda: (submission.job(2).path / "begun.json").write_text(elsewhere))
    assert do(submission, store) == "stopped"
    assert submission.job(2).ended() is None


def test_workers_that_only_wait_end_their_job(make_submission, store, pool, slurm):
    submission = make_submission(idle_timeout_s=0.05)
    assert do(submission, store) == submission.job(2).ended().reason == "idle"


def test_a_preemption_is_no_reason_to_submit_anything(make_submission, store, pool, slurm, tmp_path):
    submission = make_submission()
    pool(lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert do(submission, store) == submission.job(2).ended().reason == "stopped"
    assert not (tmp_path / "scontrol.txt").exists()


@pytest.mark.parametrize("by", ["signal", "clock", "slurm"])
def test_a_job_without_time_has_its_own_task_requeued(
    make_submission, store, pool, slurm, tmp_path, monkeypatch, by
):
    submission = make_submission(**({"stop_before_end_s": 599.9} if by == "clock" else {}))
    if by == "signal":
        pool(lambda: os.kill(os.getpid(), signal.SIGUSR2))
    if by == "slurm":
        monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time() + 60)))
    assert do(submission, store) == submission.job(2).ended().reason == "requeued"
    assert (tmp_path / "scontrol.txt").read_text() == "requeue 21_2\n"  # 21 would be the whole array
    assert len(submissions(store)) == 1


def test_a_job_that_trained_nothing_in_its_time_does_not_go_on(
    make_submission, store, pool, slurm, monkeypatch, tmp_path
):
    monkeypatch.setattr(IdlePool, "num_updates", 0)
    submission = make_submission(stop_before_end_s=599.9)
    with pytest.raises(BrokenJobError, match=r"raise launcher\.wall_time_min"):
        do(submission, store)
    assert submission.job(2).ended().reason == "broken"
    assert not (tmp_path / "scontrol.txt").exists()
    assert submissions(store) == [submission]


def test_where_requeueing_is_refused_one_successor_is_submitted(
    make_submission, store, pool, slurm, tmp_path
):
    slurm("scontrol", "echo Requested operation is presently disabled >&2; exit 1")
    submission = make_submission(stop_before_end_s=599.9)
    submission.want(["test", "another"])
    assert do(submission, store) == submission.job(2).ended().reason == "succeeded"
    _, successor = submissions(store)
    assert (successor.job_id(), successor.intent.num_jobs) == ("77", 1)
    assert (successor.plan_id, successor.number) == (submission.plan_id, 2)
    assert successor.wanted_by() == submission.wanted_by()
    variables = [line.partition("=")[0] for line in (tmp_path / "sbatch.env").read_text().splitlines()]
    assert "SLURM_CPU_BIND" not in variables  # nor what else would bind the successor's steps
    assert os.environ["SLURM_CPU_BIND"] == "mask"


def test_a_slurm_that_does_not_answer_is_asked_again(make_submission, store, pool, slurm, tmp_path):
    slurm("scontrol", f"test -e {tmp_path}/sbatch.txt")  # unknown until sbatch has been tried
    slurm("sbatch", "echo sbatch: error: Unable to contact slurm controller >&2; exit 1")
    submission = make_submission(stop_before_end_s=599.9)
    assert do(submission, store) == submission.job(2).ended().reason == "requeued"
    assert all(successor.is_void() for successor in submissions(store)[1:])


def test_a_job_that_cannot_go_on_says_so(make_submission, store, pool, slurm, monkeypatch):
    for name in ("scontrol", "sbatch"):
        slurm(name, f"echo {name}: error: Unable to contact slurm controller >&2; exit 1")
    submission = make_submission(wall_time_min=1, stop_before_end_s=0.1)
    pool(lambda: os.kill(os.getpid(), signal.SIGUSR2))
    assert do(submission, store) == submission.job(2).ended().reason == "stopped"
    assert "Unable to contact slurm controller" in submission.job(2).ended().text


@pytest.mark.parametrize(
    ("error", "text"),
    [(UserError("no GPU"), "no GPU"), (ZeroDivisionError("division by zero"), "ZeroDivisionError: division")],
)
def test_a_broken_job_says_why(make_submission, store, pool, slurm, error, text):
    def fail():
        raise error

    pool(fail)
    submission = make_submission()
    with pytest.raises(BrokenJobError, match=text):
        do(submission, store)
    assert submission.job(2).ended().reason == "broken"
    assert submission.job(2).ended().text.startswith(text)
