"""What one job of an array does on its node: a pool of workers, until nothing is left or its time is up."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from sgdlab.config.execution import SlurmLauncher
from sgdlab.errors import UserError
from sgdlab.launch.local import LocalPool, PoolStatus
from sgdlab.launch.slurm.job_folder import EndReason, JobFolder
from sgdlab.launch.slurm.submission import Submission
from sgdlab.launch.slurm.submit import MakeJob, submit_successor
from sgdlab.runs.processes import Process
from sgdlab.runs.store import Store
from sgdlab.sweeps.plan import FrozenPlan

_LOOK_AROUND_EVERY_S = 5.0
_TRY_AGAIN_AFTER_S = 2.0
_SLURM_TIMEOUT_S = 60.0


class BrokenJobError(Exception):
    """Nothing can be trained in this job's environment."""


def work(
    submission: Submission,
    store: Store,
    make_job: MakeJob,
    on_status: Callable[[PoolStatus], None] = lambda _: None,
) -> EndReason:
    """Do one job's part of a submission, in that job; return how it ended.

    Parameters
    ----------
    submission, store
        What to do, and where the runs are stored.
    make_job
        What a job calls that is submitted in the place of this one.
    on_status
        Told several times a second what the pool knows.

    Raises
    ------
    BrokenJobError
        If nothing can be trained here; Slurm shows the job as failed then.
    """
    if submission.is_cancelled() or submission.decide("started") == "void":
        return "cancelled"
    if submission.job_id() is None:
        submission.record_job(os.environ.get("SLURM_ARRAY_JOB_ID") or os.environ["SLURM_JOB_ID"])
    folder = submission.job(int(os.environ.get("SLURM_ARRAY_TASK_ID", "0")))
    folder.begin(store)
    try:
        plan = submission.load_plan()
        reason = _train(plan, store, submission, folder, on_status)
    except Exception as error:
        text = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        with suppress(UserError):  # a full disk has no room for the last word; the log has
            folder.end("broken", text)
        raise BrokenJobError(text) from error
    if reason == "requeued":
        return _go_on_later(plan, store, submission, folder, make_job)
    folder.end(reason)
    return reason


def _train(
    plan: FrozenPlan,
    store: Store,
    submission: Submission,
    folder: JobFolder,
    on_status: Callable[[PoolStatus], None],
) -> EndReason:
    """Train until nothing is left or there is a reason to end."""
    launcher = plan.execution.launcher
    assert isinstance(launcher, SlurmLauncher)
    reasons = _Reasons(submission, folder, launcher, on_status)
    LocalPool(
        plan,
        store,
        launcher.on_node(),
        session=submission.name,
        on_status=reasons.look,
        stop_requested=reasons.ask,
        on_start=lambda pid: folder.record_worker(Process.of(pid)),
    ).run()
    if all(map(store.is_settled, plan.runs)):
        return "finished"
    if reasons.found == "broken":
        raise UserError(
            "nothing was trained in this job's time, and going on would be as vain; "
            "raise launcher.wall_time_min, or lower launcher.stop_before_end_s"
        )
    return reasons.found or "stopped"  # a signal reached the workers alone


@dataclass
class _Reasons:
    """Why a job should end before its plan is finished."""

    submission: Submission
    folder: JobFolder
    launcher: SlurmLauncher
    on_status: Callable[[PoolStatus], None]
    found: EndReason | None = None

    def __post_init__(self) -> None:
        now = time.monotonic()
        self._deadline = now + _seconds_left(self.launcher) - self.launcher.stop_before_end_s
        self._looked = self._busy = now
        self._has_trained = False
        # submitit's own handlers would count time-outs, and pass over what a preemption says
        signal.signal(signal.SIGTERM, lambda *_: self._find("stopped"))
        signal.signal(signal.SIGUSR2, lambda *_: self._find("requeued"))

    def look(self, status: PoolStatus) -> None:
        """Take in what the pool says."""
        if status.num_running:
            self._busy = time.monotonic()
        self._has_trained |= status.num_updates > 0
        self.on_status(status)

    def ask(self) -> bool:
        """Whether there is one."""
        now = time.monotonic()
        if now - self._looked > _LOOK_AROUND_EVERY_S:
            self._looked = now
            if self.submission.is_cancelled():
                self._find("cancelled")
            if not self.folder.is_held():
                self._find("stopped")
        if now > self._deadline:
            self._find("requeued" if self._has_trained else "broken")
        if now - self._busy > self.launcher.idle_timeout_s:
            self._find("idle")
        return self.found is not None

    def _find(self, reason: EndReason) -> None:
        self.found = self.found or reason


def _seconds_left(launcher: SlurmLauncher) -> float:
    """Return how long Slurm will let this job run; it may know of limits that the launcher doesn't."""
    asked_for = 60.0 * launcher.wall_time_min
    end = os.environ.get("SLURM_JOB_END_TIME")  # seconds since the epoch
    return min(asked_for, float(end) - time.time()) if end else asked_for


def _go_on_later(
    plan: FrozenPlan, store: Store, submission: Submission, folder: JobFolder, make_job: MakeJob
) -> EndReason:
    """Have Slurm start this job again, or another one in its place; try for as long as there is time."""
    launcher = plan.execution.launcher
    assert isinstance(launcher, SlurmLauncher)
    give_up_at = time.monotonic() + launcher.stop_before_end_s / 2
    while True:
        folder.end("requeued")  # requeueing ends this process
        if _requeue():
            return "requeued"
        try:
            successor = submit_successor(plan, store, make_job)
        except UserError as error:
            if time.monotonic() > give_up_at:
                folder.end("stopped", f"neither requeued nor succeeded by another job: {error}")
                return "stopped"
            time.sleep(_TRY_AGAIN_AFTER_S)
        else:
            for sweeps in submission.wanted_by():
                successor.want(sweeps)
            folder.end("succeeded")
            return "succeeded"


def _requeue() -> bool:
    """Ask Slurm to start this job again; return whether it will."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    # one task of an array has the array's own number, by which Slurm would requeue all of them
    job = f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ["SLURM_JOB_ID"]
    try:
        done = subprocess.run(
            ["scontrol", "requeue", job], capture_output=True, text=True, timeout=_SLURM_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return False
    if done.returncode:
        print(done.stderr.strip(), flush=True)
    return done.returncode == 0
