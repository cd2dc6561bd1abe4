"""Train the members of a pack that this worker has won, and publish what comes of them."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import torch

from sgdlab import __version__
from sgdlab.config.components import Data
from sgdlab.config.execution import Execution
from sgdlab.config.schema import Run
from sgdlab.data.dataset import Dataset
from sgdlab.data.load import load_dataset
from sgdlab.runs.attempts import Attempt
from sgdlab.runs.claims import latest_checkpoint
from sgdlab.runs.files import naming
from sgdlab.runs.result import Provenance, RunResult
from sgdlab.runs.store import Store
from sgdlab.sweeps.packs import Pack
from sgdlab.training.backends.trial import choose_backend, require_backend
from sgdlab.training.fit import PackTask, TrainedPack, TrainedRun, train_pack
from sgdlab.training.manifest import Manifest
from sgdlab.training.saving import save


@dataclass(frozen=True)
class _Resumed:
    path: Path
    manifest: Manifest


@dataclass
class PackTrainer:
    """One worker's way of training packs; data sets stay loaded between them."""

    store: Store
    execution: Execution
    device: torch.device
    stop_requested: Callable[[], bool]
    _datasets: dict[Data, Dataset] = field(default_factory=dict)

    def train(
        self,
        pack: Pack,
        runs: Mapping[str, Run],
        won: set[str],
        attempt: Attempt,
        on_progress: Callable[[int], None],
    ) -> bool:
        """Train the won members, going on where a checkpoint of this very pack is left; False if stopped.

        `on_progress` is told how many updates each run has made, first of all where it starts. Whatever
        training raises goes through; nothing has been published then.
        """
        members = tuple(runs[key] for key in pack.keys)
        dataset = self.load_data(members[0])
        resumed = self._resumable(won, pack, members)
        manifest = resumed.manifest if resumed else self._new_manifest(members)
        attempt.write_manifest(_stored(manifest, pack))
        task = PackTask(
            runs=members,
            is_live=tuple(key in won for key in pack.keys),
            statistics=self.execution.diagnostics.gradient_statistics,
            device=self.device,
            backend=manifest.backend,
            resume_from=resumed.path if resumed else None,
            new_checkpoint=attempt.new_checkpoint,
            checkpoint_every_s=self.execution.launcher.checkpoint_every_s,
        )
        trained = train_pack(task, dataset, on_progress, self.stop_requested)
        if trained is None:
            return False
        for key, run, result in zip(pack.keys, members, trained.runs, strict=True):
            if result is not None:
                provenance = self._provenance(attempt, pack, manifest, trained, dataset)
                self._publish(attempt, key, run, result, provenance)
        return True

    def load_data(self, run: Run) -> Dataset:
        """Return the data set of a run, loaded once.

        Raises
        ------
        UserError
            If it is missing, or not what it should be.
        """
        if run.data not in self._datasets:
            self._datasets[run.data] = load_dataset(run.data, self.execution.folders.data)
        return self._datasets[run.data]

    def _new_manifest(self, members: Sequence[Run]) -> Manifest:
        wanted = self.execution.launcher.backend
        if wanted == "auto":
            backend = choose_backend(members, self.device, members[0].num_updates)
        else:
            backend = require_backend(wanted, members, self.device)
        return Manifest.here(len(members), backend, members[0].precision, self.device)

    def _resumable(self, won: set[str], pack: Pack, members: Sequence[Run]) -> _Resumed | None:
        """Return the checkpoint that all the runs can go on from; without one they start again.

        Its manifest can be honoured here, and it is the latest of each run: in the slots of runs that another
        attempt trained there is nothing.
        """
        checkpoints = [latest_checkpoint(self.store, key) for key in won]
        first = checkpoints[0]
        if first is None or any(other is None or other.attempt != first.attempt for other in checkpoints):
            return None
        backend = str(first.manifest.get("backend"))
        manifest = Manifest.here(len(members), backend, members[0].precision, self.device)
        return _Resumed(first.path, manifest) if dict(first.manifest) == _stored(manifest, pack) else None

    def _publish(
        self, attempt: Attempt, key: str, run: Run, trained: TrainedRun, provenance: Provenance
    ) -> None:
        result = RunResult(
            key=key,
            state=trained.state,
            config=run.model_dump(mode="json"),
            summary=trained.summary,
            num_updates=run.num_updates if trained.diverged_at is None else trained.diverged_at,
            diverged_at=trained.diverged_at,
            provenance=provenance,
        )
        weights = None
        if self.execution.launcher.keep == "final":
            weights = attempt.folder / f"{key}.pt"
            with naming(attempt.folder):
                save(trained.parameters, weights)
        self.store.publish(attempt, result, trained.curves, weights)

    def _provenance(
        self, attempt: Attempt, pack: Pack, manifest: Manifest, trained: TrainedPack, dataset: Dataset
    ) -> Provenance:
        return Provenance(
            sgdlab_version=__version__,
            commit=_commit(),
            torch_version=manifest.torch_version,
            device=manifest.device,
            num_threads=manifest.num_threads,
            dtype=manifest.precision,
            pack_width=manifest.width,
            backend=manifest.backend,
            shape=pack.shape,
            seconds_per_update=trained.seconds / max(1, trained.num_updates),
            wall_s=trained.seconds,
            data_sha256=dataset.checksum,
            attempt=attempt.id,
            host=platform.node(),
            finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )


def _stored(manifest: Manifest, pack: Pack) -> dict[str, Any]:
    return {**manifest.to_dict(), "keys": list(pack.keys)}


@cache
def _commit() -> str | None:
    """Return the commit of the checkout that this code runs from, if it is one."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        changes = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+dirty" if changes.stdout.strip() else "")
