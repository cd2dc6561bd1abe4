"""What one job of an array does on its node: a pool of workers, until nothing is left or its time is up."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
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

_LOOK_FOR_CANCEL_EVERY_S = 5.0


class BrokenJobError(Exception):
    """Nothing can be trained in this job's environment."""


def work(
    submission: Submission,
    store: Store,
    make_job: MakeJob,
    on_status: Callable[[PoolStatus], None] = lambda _: None,
) -> str:
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
        return "nobody counts on this job: it was cancelled, or submitted anew"
    array, index = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID", "0")
    if submission.job_id() is None:
        submission.record_job(array or os.environ["SLURM_JOB_ID"])
    folder = submission.job(int(index))
    folder.begin(store)
    plan = submission.load_plan()
    assert isinstance(plan.execution.launcher, SlurmLauncher)
    reasons = _Reasons(submission, plan.execution.launcher, on_status)
    try:
        _pool(plan, store, submission, folder, reasons).run()
    except UserError as error:
        folder.end("broken", str(error))
        raise BrokenJobError(str(error)) from error
    reason = reasons.found or "finished"
    if reason == "requeued":
        reason = _go_on_later(plan, store, folder, make_job)
    folder.end(reason)
    return reason


@dataclass
class _Reasons:
    """Why a job should end before its plan is finished."""

    submission: Submission
    launcher: SlurmLauncher
    on_status: Callable[[PoolStatus], None]
    found: EndReason | None = None

    def __post_init__(self) -> None:
        now = time.monotonic()
        self._deadline = now + 60 * self.launcher.wall_time_min - self.launcher.stop_before_end_s
        self._looked = self._busy = now
        # submitit's own handlers would count time-outs, and pass over what a preemption says
        signal.signal(signal.SIGTERM, lambda *_: self._find("stopped"))
        signal.signal(signal.SIGUSR2, lambda *_: self._find("requeued"))

    def look(self, status: PoolStatus) -> None:
        """Take in what the pool says."""
        if status.num_running:
            self._busy = time.monotonic()
        self.on_status(status)

    def ask(self) -> bool:
        """Whether there is one."""
        now = time.monotonic()
        if now - self._looked > _LOOK_FOR_CANCEL_EVERY_S:
            self._looked = now
            if self.submission.is_cancelled():
                self._find("cancelled")
        if now > self._deadline:
            self._find("requeued")
        if now - self._busy > self.launcher.idle_timeout_s:
            self._find("idle")
        return self.found is not None

    def _find(self, reason: EndReason) -> None:
        self.found = self.found or reason


def _pool(
    plan: FrozenPlan, store: Store, submission: Submission, folder: JobFolder, reasons: _Reasons
) -> LocalPool:
    return LocalPool(
        plan,
        store,
        reasons.launcher.on_node(),
        session=submission.name,
        on_status=reasons.look,
        stop_requested=reasons.ask,
        on_start=lambda pid: folder.record_worker(Process.of(pid)),
    )


def _go_on_later(plan: FrozenPlan, store: Store, folder: JobFolder, make_job: MakeJob) -> EndReason:
    """Have Slurm start this job again, or another one in its place; where work is left."""
    if all(map(store.is_settled, plan.runs)):
        return "finished"
    job_id = os.environ["SLURM_JOB_ID"]
    folder.end("requeued")  # requeueing ends this process
    if subprocess.run(["scontrol", "requeue", job_id], capture_output=True).returncode == 0:
        return "requeued"
    submit_successor(plan, store, make_job)
    return "succeeded"
