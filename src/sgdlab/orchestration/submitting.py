"""Submit what is missing to Slurm, and say so; nothing is waited for."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from sgdlab.config.execution import Execution, SlurmLauncher, WandbTracker
from sgdlab.launch.devices import num_workers
from sgdlab.launch.measuring import known_costs
from sgdlab.launch.slurm.submission import Submission, Then
from sgdlab.launch.slurm.submit import Submitted, num_useful_jobs, submit, taking_turns
from sgdlab.launch.start import clear_up, freeze_missing
from sgdlab.orchestration.expectation import announce
from sgdlab.orchestration.slurm_job import SlurmJob, write_contexts
from sgdlab.runs.store import Store
from sgdlab.sweeps.plan import FrozenPlan, estimate_missing
from sgdlab.sweeps.survey import Survey
from sgdlab.tracking.contexts import SweepContext
from sgdlab.tracking.stored_runs import export_rest


def submit_with_words(
    names: Sequence[str],
    survey: Survey,
    contexts: Mapping[str, SweepContext],
    execution: Execution,
    store: Store,
    then: Then | None = None,
) -> None:
    """Freeze the plan of what a survey found missing, submit its jobs, and say what was submitted.

    The last of the jobs calls `then`.

    Raises
    ------
    UserError
        If the store can't be written, or Slurm refuses; then nothing was submitted.
    """
    tracker = execution.tracker if isinstance(execution.tracker, WandbTracker) else None
    if not survey.missing:
        if tracker is not None:
            export_rest(survey.stored, store, contexts, tracker)
        print("nothing to submit: every run has its outcome")
        return
    costs = known_costs(execution, store)

    def make_job(submission: Submission) -> SlurmJob:
        if tracker is not None:
            write_contexts(submission.path, {key: contexts[key] for key in plan.runs})
        return SlurmJob(submission.path, store.root, tracker, then)

    with taking_turns(store):
        plan = freeze_missing(survey, names, execution, store, costs)
        expected = estimate_missing(plan, survey.missing, num_workers(execution.launcher), costs)
        announce(expected, survey.missing.values(), costs.device)
        submitted = submit(plan, store, num_useful_jobs(plan, store), make_job, on_wait=_say_wait)
    _say(submitted, plan, len(survey.missing))
    clear_up(store)


def _say_wait(seconds: float) -> None:
    print(
        f"in {seconds:.0f} s Slurm is asked what came of an earlier command's jobs: "
        "it was asked just now, and isn't more often than every ten seconds",
        file=sys.stderr,
    )


def _say(submitted: Submitted, plan: FrozenPlan, num_missing: int) -> None:
    launcher = plan.execution.launcher
    assert isinstance(launcher, SlurmLauncher)
    before = f"{submitted.num_jobs_before} jobs for these runs wait or run already"
    if submitted.submission is None:
        print(f"nothing submitted: {before}")
        return
    jobs = "1 job" if submitted.num_jobs == 1 else f"{submitted.num_jobs} jobs"
    workers = f"{launcher.workers_per_job} worker{'s' * (launcher.workers_per_job > 1)} each"
    print(f"submitted  {jobs}, {workers}, as {submitted.submission.job_id()}: {num_missing} runs to train")
    if submitted.num_jobs_before:
        print(f"           {before}")
    print(f"logs       {submitted.submission.submitit_folder}")
    names = " ".join(title.partition(" @ ")[0] for title in plan.sweeps)
    print(f"next       sgdlab status {names}   ·   sgdlab cancel {names}")
