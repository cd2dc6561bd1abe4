"""What each Slurm job calls: train, and hand the runs that end to the tracker."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import FileLock
from submitit.core.utils import DelayedSubmission

from sgdlab.config.compose import open_composer
from sgdlab.config.execution import WandbTracker
from sgdlab.dashboard.tracking import export_stored, unexported
from sgdlab.dashboard.undertaking import Undertaking, survey_of, undertake
from sgdlab.dashboard.wandb_export import SweepContext
from sgdlab.errors import UserError
from sgdlab.launch.local import PoolStatus
from sgdlab.launch.slurm.job import work
from sgdlab.launch.slurm.job_folder import COMES_BACK
from sgdlab.launch.slurm.submission import Submission
from sgdlab.runs.files import naming
from sgdlab.runs.files import replace as replace_file
from sgdlab.runs.store import Store


@dataclass(frozen=True)
class SlurmJob:
    """One job of a submission, as submitit calls it."""

    folder: Path  # of the submission
    store_root: Path
    tracker: WandbTracker | None

    def __call__(self) -> str:
        """Train until nothing is left or the job's time is up; raises as `launch.slurm.job.work` does."""
        submission, store = Submission(self.folder), Store(self.store_root)
        if self.tracker is None:
            reason = work(submission, store, self.in_place_of_this)
        else:
            exporter = _Exporter(self.folder, store, self.tracker)
            reason = work(submission, store, self.in_place_of_this, exporter.look)
            if reason not in COMES_BACK:  # Slurm is about to kill it, and may start it again
                exporter.export_rest()
        if reason == "finished":
            _go_on(submission, store)
        return reason

    def in_place_of_this(self, submission: Submission) -> SlurmJob:
        """Return the same for another submission of the same plan."""
        undertaking = Undertaking.read(self.folder)
        if undertaking is not None:
            undertaking.write(submission.path)
        if self.tracker is not None:
            write_contexts(submission.path, read_contexts(self.folder))
        return replace(self, folder=submission.path)

    def checkpoint(self) -> DelayedSubmission:
        """Return what submitit would start again."""
        return DelayedSubmission(self)


def write_contexts(folder: Path, contexts: Mapping[str, SweepContext]) -> None:
    """Write down in a submission's folder where W&B shows each run."""
    content = {key: asdict(context) for key, context in contexts.items()}
    with naming(folder):
        replace_file(folder / "contexts.json.gz", gzip.compress(json.dumps(content).encode(), mtime=0))


def read_contexts(folder: Path) -> dict[str, SweepContext]:
    """Read what `write_contexts` wrote."""
    content = json.loads(gzip.decompress((folder / "contexts.json.gz").read_bytes()))
    return {key: SweepContext(**context) for key, context in content.items()}


def _go_on(submission: Submission, store: Store) -> None:
    """Extend the grids, where that was asked for, and submit the next round.

    Jobs that end together take turns: one does it, and should it be killed the next one does. What goes wrong
    is left to the next `sgdlab run` or `extend`: the runs of this job are published.
    """
    try:
        undertaking = Undertaking.read(submission.path)
        if undertaking is not None:
            with naming(submission.path), FileLock(submission.path / "going_on.lock"):
                if not submission.is_cancelled() and not _went_on(submission).exists():
                    _extend(undertaking, submission, store)
                    _went_on(submission).touch()
    except UserError as error:
        print(error, flush=True)


def _extend(undertaking: Undertaking, submission: Submission, store: Store) -> None:
    plan = submission.load_plan()
    with open_composer() as composer:
        found, contexts = survey_of(undertaking, store, composer)
        if not plan.runs.keys() <= found.wanted.keys():
            raise UserError("conf/ has changed since this was submitted: `sgdlab run` goes on")
        undertake(undertaking, found, contexts, plan.execution, store, composer)


def _went_on(submission: Submission) -> Path:
    return submission.path / "went_on"


class _Exporter:
    """Exports one run at a time, between looks at the workers."""

    def __init__(self, folder: Path, store: Store, tracker: WandbTracker) -> None:
        self._contexts, self._store, self._tracker = read_contexts(folder), store, tracker
        self._num_exported = 0

    def look(self, status: PoolStatus) -> None:
        """Export a run that has ended."""
        if self._num_exported < len(status.ended):
            self._export(status.ended[self._num_exported])
            self._num_exported += 1

    def export_rest(self) -> None:
        """Export what the pool had no time for, and what jobs had none for that were killed."""
        for key in unexported(self._contexts, self._tracker):
            if self._store.has_result(key):
                self._export(key)

    def _export(self, key: str) -> None:
        """What can't be exported is left to the next `sgdlab run`; training goes on."""
        try:
            export_stored(key, self._store, self._contexts[key], self._tracker)
        except (UserError, OSError) as error:
            print(error, flush=True)
