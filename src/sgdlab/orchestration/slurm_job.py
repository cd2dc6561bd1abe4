"""What each Slurm job calls: train, and hand the runs that end to the tracker."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from submitit.core.utils import DelayedSubmission

from sgdlab.config.execution import WandbTracker
from sgdlab.errors import UserError
from sgdlab.launch.local import PoolStatus
from sgdlab.launch.slurm.job import work
from sgdlab.launch.slurm.job_folder import COMES_BACK
from sgdlab.launch.slurm.submission import Submission, Then
from sgdlab.runs.files import naming
from sgdlab.runs.files import replace as replace_file
from sgdlab.runs.store import Store
from sgdlab.tracking.contexts import SweepContext
from sgdlab.tracking.stored_runs import export_stored, unexported


@dataclass(frozen=True)
class SlurmJob:
    """One job of a submission, as submitit calls it."""

    folder: Path  # of the submission
    store_root: Path
    tracker: WandbTracker | None
    then: Then | None = None  # what is done once nothing is left to train

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
        if reason == "finished" and self.then is not None:
            self.then(submission, store)
        return reason

    def in_place_of_this(self, submission: Submission) -> SlurmJob:
        """Return the same for another submission of the same plan."""
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
