"""What is in Slurm's queue: a hint, asked for at most once in ten seconds a store, by whichever command.

The answer is kept in ``submissions/queue.json`` with the names of the submissions that it can know of. Who
asks holds a lock, and writes down that it asks before it does: neither two commands at once nor one that is
killed make it more often. No decision about a run hangs on the answer: only how many jobs there are, and what
people are shown.
"""

from __future__ import annotations

import getpass
import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from filelock import FileLock

from sgdlab.errors import UserError
from sgdlab.launch.slurm.submission import (
    Submission,
    folder_of_submissions,
    job_name_prefix,
    submissions,
)
from sgdlab.runs.files import replace as replace_file
from sgdlab.runs.store import Store

ASK_EVERY_S = 10.0
_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class QueuedJob:
    """One job of an array, as Slurm shows it."""

    id: str  # 123_4, or 123
    name: str
    state: str  # PENDING, RUNNING, …
    reason: str  # why it waits
    node: str

    @property
    def index(self) -> int:
        """Its place in the array."""
        return int(self.id.partition("_")[2] or 0)


@dataclass(frozen=True)
class Queue:
    """Slurm's latest answer."""

    asked_at: float = 0.0  # seconds since the epoch, on the asking machine's clock
    answered_at: float = 0.0  # when it last answered
    error: str | None = None  # why it didn't at the latest asking
    knows: tuple[str, ...] = ()  # submissions whose jobs were there when it was asked
    jobs: tuple[QueuedJob, ...] = field(default=(), repr=False)

    def jobs_of(self, submission: Submission) -> list[QueuedJob]:
        """Return those of a submission."""
        return [job for job in self.jobs if job.name == submission.job_name]


def look(store: Store) -> Queue:
    """Return the latest answer; ask for another if it is older than ten seconds."""
    if not folder_of_submissions(store).is_dir():
        return Queue()
    try:
        with _lock(store):
            known = _read(store)
            return known if _seconds_to_wait(known) else _ask(store, known)
    except OSError:  # it can't be written: somebody else's store, or a full disk
        return _read(store)


def look_anew(store: Store, on_wait: Callable[[float], None] = lambda _: None) -> Queue:
    """Return an answer to a question asked after this call; wait for the ten seconds to pass.

    Raises
    ------
    UserError
        If Slurm doesn't answer.
    """
    with _lock(store):
        latest = before = _read(store)
    while latest.answered_at == before.answered_at:  # a killed command leaves a question without an answer
        if wait := _seconds_to_wait(latest):
            on_wait(wait)
            time.sleep(wait)
        with _lock(store):
            latest = _read(store)
            if not _seconds_to_wait(latest):
                latest = _ask(store, latest)
        if latest.error:
            raise UserError(f"Slurm doesn't answer, and nothing was submitted: {latest.error}")
    return latest


def cancel_jobs(names: Sequence[str]) -> None:
    """Cancel jobs by their names.

    Raises
    ------
    UserError
        If Slurm refuses, or doesn't answer.
    """
    for name in names:
        _run(["scancel", f"--user={getpass.getuser()}", f"--name={name}"])


def _lock(store: Store) -> FileLock:
    return FileLock(folder_of_submissions(store) / "queue.lock")


def _seconds_to_wait(known: Queue) -> float:
    """Return how long Slurm is to be left alone; 0 where it may be asked."""
    wait = known.asked_at + ASK_EVERY_S - time.time()
    return wait if 0 < wait <= ASK_EVERY_S else 0.0


def _ask(store: Store, known: Queue) -> Queue:
    """Ask Slurm, and write down what it says; for who holds the lock."""
    asking = replace(known, asked_at=time.time(), error=None)
    _write(store, asking)
    # whoever has no number yet may come into the queue only after the answer
    names = tuple(submission.name for submission in submissions(store) if submission.job_id() is not None)
    try:
        listing = _run(["squeue", "--me", "--array", "--noheader", "--format=%i|%j|%T|%r|%N"])
    except UserError as error:
        queue = replace(asking, error=str(error))
    else:
        prefix = job_name_prefix(store.root)
        rows = [line.strip().split("|") for line in listing.splitlines() if line.count("|") == 4]
        jobs = tuple(QueuedJob(*row) for row in rows if row[1].startswith(prefix))
        queue = Queue(asking.asked_at, time.time(), None, names, jobs)
    _write(store, queue)
    return queue


def _write(store: Store, queue: Queue) -> None:
    replace_file(folder_of_submissions(store) / "queue.json", json.dumps(asdict(queue)).encode())


def _read(store: Store) -> Queue:
    try:
        content: dict[str, Any] = json.loads((folder_of_submissions(store) / "queue.json").read_bytes())
        jobs = tuple(QueuedJob(**job) for job in content.pop("jobs"))
        return Queue(**{**content, "knows": tuple(content["knows"]), "jobs": jobs})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Queue()


def _run(command: Sequence[str]) -> str:
    """Run a command of Slurm's; its refusal becomes one line."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S)
    except FileNotFoundError as error:
        raise UserError(f"{command[0]} isn't there: launcher=slurm needs a machine of the cluster") from error
    except subprocess.TimeoutExpired as error:
        raise UserError(f"{command[0]} gave no answer in {_TIMEOUT_S:.0f} s") from error
    if done.returncode:
        words = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise UserError(f"{command[0]}: {words[-1]}")
    return done.stdout
