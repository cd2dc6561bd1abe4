"""One array of jobs for one frozen plan, as a folder of the store: ``submissions/<plan>-<number>/``.

It holds:

- ``plan.json.gz``: the plan as it was then; a later command may write another under the same name;
- ``intent.json``: written before anything is submitted: what for, how many jobs, which code;
- ``verdict``: `started` by the first job, or `void` by a command that found no trace of any. The first to
  write it wins, so jobs that turn up late after all find out that nobody counts on them;
- ``job.json``: Slurm's answer; a killed command may not have come to write it;
- ``wanted_by/``: a file for each command that counts on it: the sweeps that it named;
- ``went_on``: the last job has extended the grids;
- ``cancelled``: nobody wants it any more: its jobs end as soon as they see it;
- ``jobs/<index>/``: what each job says of itself;
- ``submitit/``: submitit's files, and the logs.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from dataclasses import replace as replace_fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from sgdlab.errors import UserError
from sgdlab.launch.slurm.job_folder import JobFolder
from sgdlab.runs.files import link, naming, replace, temporary, write_synced
from sgdlab.runs.store import Store
from sgdlab.sweeps.plan import FrozenPlan, load_plan

Verdict = Literal["started", "void"]
_NAME = re.compile(r"[0-9a-f]+-[0-9]+")  # a killed command leaves others


@dataclass(frozen=True)
class Intent:
    """What a command is about to submit."""

    plan: str  # its id
    sweeps: tuple[str, ...]  # "smith2021/fig1b @ laptop", for people
    num_jobs: int
    num_runs: int  # that were missing
    code: str  # the folder with the code that the jobs run
    at: str  # ISO 8601, for people

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Read what `asdict` wrote."""
        return cls(**{**content, "sweeps": tuple(content["sweeps"])})


@dataclass(frozen=True)
class Submission:
    """The folder of one submission."""

    path: Path

    @classmethod
    def create(cls, store: Store, plan: FrozenPlan, intent: Intent) -> Self:
        """Write an intent down under the next free number; the folder appears as a whole.

        Raises
        ------
        StoreError
            If the store can't be written.
        """
        parent = folder_of_submissions(store)
        with naming(store.root):
            parent.mkdir(parents=True, exist_ok=True)
            fresh = parent / f".new-{secrets.token_hex(6)}"
            fresh.mkdir()
            os.link(plan.path, fresh / "plan.json.gz")
            write_synced(fresh / "intent.json", json.dumps(asdict(intent), indent=1).encode())
            cls(fresh).want(plan.sweeps)
            number = 1 + max((earlier.number for earlier in submissions(store, plan.id)), default=0)
            path = parent / f"{plan.id}-{number}"
            fresh.rename(path)
        return cls(path)

    @property
    def name(self) -> str:
        """Plan and number."""
        return self.path.name

    @property
    def plan_id(self) -> str:
        """The plan's id."""
        return self.name.rpartition("-")[0]

    @property
    def number(self) -> int:
        """Which of the submissions of its plan."""
        return int(self.name.rpartition("-")[2])

    @property
    def job_name(self) -> str:
        """The name that Slurm knows the jobs by; nobody else's jobs have it."""
        return f"{job_name_prefix(self.path.parents[1])}{self.name}"

    @property
    def submitit_folder(self) -> Path:
        """Where submitit writes, and the logs are."""
        return self.path / "submitit"

    @cached_property
    def intent(self) -> Intent:
        """What was to be submitted.

        Raises
        ------
        UserError
            If the file can't be read.
        """
        path = self.path / "intent.json"
        try:
            return Intent.from_dict(json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UserError(f"{path}: not a readable submission ({error}); delete {self.path}") from error

    def load_plan(self) -> FrozenPlan:
        """Read the plan as it was submitted; raises UserError if it can't be read."""
        return replace_fields(load_plan(self.path / "plan.json.gz"), id=self.plan_id)  # not its file's name

    def job_id(self) -> str | None:
        """Return Slurm's number of the array, or None where it isn't known."""
        try:
            return str(json.loads((self.path / "job.json").read_bytes())["job"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def record_job(self, job_id: str) -> None:
        """Note Slurm's number."""
        with naming(self.path):
            replace(self.path / "job.json", json.dumps({"job": job_id}).encode())

    def decide(self, verdict: Verdict) -> Verdict:
        """Write a verdict unless there is one; return the one that counts."""
        path = self.path / "verdict"
        with naming(self.path), temporary(path) as name:
            write_synced(name, verdict.encode())
            link(name, path)
        return "void" if self.is_void() else "started"

    def is_void(self) -> bool:
        """Whether nobody counts on the jobs of this submission."""
        try:
            return (self.path / "verdict").read_text() == "void"
        except FileNotFoundError:
            return False

    def want(self, sweeps: Sequence[str]) -> None:
        """Note that a command for these sweeps counts on this submission."""
        with naming(self.path):
            (self.path / "wanted_by").mkdir(exist_ok=True)
            replace(self._wish(sweeps), json.dumps(sorted(sweeps)).encode())

    def wanted_by(self) -> list[tuple[str, ...]]:
        """Return the sweeps of each command that counts on it."""
        return sorted(tuple(json.loads(path.read_bytes())) for path in self.path.glob("wanted_by/*.json"))

    def withdraw(self, sweeps: Sequence[str]) -> None:
        """Take a command's word back; where it was the last, tell the jobs to end, also those to come."""
        with naming(self.path):
            self._wish(sweeps).unlink(missing_ok=True)
            if not self.wanted_by():
                (self.path / "cancelled").touch()

    def _wish(self, sweeps: Sequence[str]) -> Path:
        digest = hashlib.sha256("\n".join(sorted(sweeps)).encode()).hexdigest()[:12]
        return self.path / "wanted_by" / f"{digest}.json"

    def is_cancelled(self) -> bool:
        """Whether it was cancelled."""
        return (self.path / "cancelled").exists()

    def job(self, index: int) -> JobFolder:
        """Return what job `index` of the array says of itself."""
        return JobFolder(self.path / "jobs" / str(index))

    def jobs(self) -> Iterator[JobFolder]:
        """Yield the jobs that have begun at least once."""
        for path in sorted((self.path / "jobs").glob("[0-9]*"), key=lambda path: int(path.name)):
            yield JobFolder(path)


def folder_of_submissions(store: Store) -> Path:
    """Return where the submissions of a store lie."""
    return store.root / "submissions"


def job_name_prefix(root: Path) -> str:
    """Return how the names of all jobs of a store begin, by whatever links it is reached."""
    return f"sgdlab-{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:6]}-"


def submissions(store: Store, plan: str = "*") -> list[Submission]:
    """Return the submissions of a plan, or all of a store, in the order of their names and numbers."""
    paths = folder_of_submissions(store).glob(f"{plan}-*")
    found = [Submission(path) for path in paths if _NAME.fullmatch(path.name) and path.is_dir()]
    return sorted(found, key=lambda submission: (submission.plan_id, submission.number))


def counting_submissions(store: Store, plan: str = "*") -> list[Submission]:
    """Return those submissions that somebody counts on: neither void nor cancelled."""
    return [s for s in submissions(store, plan) if not s.is_void() and not s.is_cancelled()]


Then = Callable[[Submission, Store], None]
"""Called with a submission whose runs are trained, maybe by several of its jobs; submitit pickles it."""
