"""What has become of submissions: from what their jobs said, with Slurm's answer as a hint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sgdlab.launch.slurm.job_folder import Ended
from sgdlab.launch.slurm.queue import Queue, look
from sgdlab.launch.slurm.submission import Submission, counting_submissions, submissions
from sgdlab.runs.store import Store
from sgdlab.sweeps.plan import keys_of_plan, plan_id


@dataclass(frozen=True)
class SubmissionView:
    """One submission, as people are shown it."""

    name: str
    job: str | None  # Slurm's number of the array
    wanted_by: tuple[tuple[str, ...], ...]  # sweeps of each command that counts on it
    at: str  # when it was submitted, ISO 8601
    num_jobs: int
    num_runs: int
    queued: dict[str, int]  # Slurm's state → jobs; nothing where Slurm knows no job of it any more
    waits_for: tuple[str, ...]  # Slurm's reasons
    broken: tuple[Ended, ...]  # jobs that could train nothing
    last_words: tuple[str, ...]  # of the newest log, where no job is left and none said why
    log_folder: str
    is_known: bool  # whether Slurm's answer is younger than the submission
    num_dropped: int  # of its runs that the sweeps, as they are now, don't ask for

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Jobs:
    """Slurm's latest answer, and the submissions that matter to some sweeps."""

    queue: Queue
    submissions: tuple[SubmissionView, ...]


def look_at_jobs(store: Store, titles: Collection[str], wanted: Collection[str], is_work_left: bool) -> Jobs:
    """Return what has become of the submissions of these sweeps; nobody is asked where there is none.

    Parameters are those of `overview`.
    """
    if not submissions(store):
        return Jobs(Queue(), ())
    queue = look(store)
    return Jobs(queue, tuple(overview(store, titles, wanted, is_work_left, queue)))


def overview(
    store: Store, titles: Collection[str], wanted: Collection[str], is_work_left: bool, queue: Queue
) -> list[SubmissionView]:
    """Return the submissions that matter to some sweeps: jobs of theirs are left, or work is.

    Parameters
    ----------
    store, queue
        Where the submissions are, and Slurm's latest answer.
    titles
        Of the sweeps: "smith2021/fig1b @ laptop".
    wanted
        Keys of all their runs.
    is_work_left
        Whether some of these have no outcome.
    """
    keys = frozenset(wanted)
    found = [
        submission
        for submission in counting_submissions(store)
        if any(set(sweeps) & set(titles) for sweeps in submission.wanted_by())
    ]
    latest = max(found, key=lambda s: s.intent.at, default=None)
    return [
        _view(submission, keys, queue)
        for submission in found
        if queue.jobs_of(submission)
        or submission.name not in queue.knows
        or (submission == latest and is_work_left)
    ]


def _view(submission: Submission, wanted: frozenset[str], queue: Queue) -> SubmissionView:
    intent, jobs = submission.intent, queue.jobs_of(submission)
    ended = [last for job in submission.jobs() if (last := job.ended()) is not None]
    broken = tuple(last for last in ended if last.reason == "broken")
    is_known = submission.name in queue.knows
    is_mute = is_known and not jobs and not ended
    return SubmissionView(
        name=submission.name,
        job=submission.job_id(),
        wanted_by=tuple(submission.wanted_by()),
        at=intent.at,
        num_jobs=intent.num_jobs,
        num_runs=intent.num_runs,
        queued=dict(Counter(job.state for job in jobs)),
        waits_for=tuple(sorted({job.reason for job in jobs if job.state == "PENDING"})),
        broken=broken,
        last_words=tuple(_last_words(submission)) if is_mute else (),
        log_folder=str(submission.submitit_folder),
        is_known=is_known,
        num_dropped=_num_dropped(submission, wanted),
    )


def _num_dropped(submission: Submission, wanted: frozenset[str]) -> int:
    """Count the runs that were submitted and that nobody asks for any more."""
    if plan_id(wanted) == submission.plan_id:
        return 0
    return len(keys_of_plan(submission.path / "plan.json.gz") - wanted)


def _last_words(submission: Submission, num_lines: int = 4) -> Sequence[str]:
    logs = sorted(submission.submitit_folder.glob("*_log.out"), key=lambda log: log.stat().st_mtime)
    return logs[-1].read_text(errors="replace").strip().splitlines()[-num_lines:] if logs else []
