"""Train the runs that this worker has won, and publish each as it ends."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch

from sgdlab import __version__
from sgdlab.config.datasets import Data
from sgdlab.config.models import CustomModel
from sgdlab.config.schema import Run
from sgdlab.config.shapes import part_of
from sgdlab.data.dataset import Dataset
from sgdlab.data.image_files import ImageFiles
from sgdlab.data.load import load_dataset
from sgdlab.launch.code import commit
from sgdlab.launch.followers import Followers
from sgdlab.machine.devices import together
from sgdlab.runs.attempts import Attempt
from sgdlab.runs.claims import latest_checkpoint
from sgdlab.runs.files import naming
from sgdlab.runs.result import Provenance, RunResult
from sgdlab.runs.store import Store
from sgdlab.sweeps.plan import FrozenPlan
from sgdlab.training.backends.recipes import can_split
from sgdlab.training.backends.trial import choose_backend, require_backend
from sgdlab.training.conductor import PackTask, Progress, TrainedRun
from sgdlab.training.fit import train_pack
from sgdlab.training.manifest import Manifest
from sgdlab.training.members import Member, load_states
from sgdlab.training.saving import save
from sgdlab.training.splitting import halved, refuse_unsplittable


@dataclass
class PackTrainer:
    """One worker's way of training; data sets stay loaded between packs."""

    plan: FrozenPlan
    store: Store
    device: torch.device
    stop_requested: Callable[[], bool]
    on_progress: Callable[[Progress], None]
    followers: Followers
    _datasets: dict[Data, Dataset | ImageFiles] = field(default_factory=dict)
    _largest_parts: dict[str, int] = field(default_factory=dict)  # shape → examples that memory has room for

    def train(
        self,
        shape: str,
        width: int,
        won: Sequence[str],
        attempt: Attempt,
        claim_more: Callable[[int, int], Sequence[str]],
    ) -> bool:
        """Train the runs that were won, and those that come after them; False if stopped before their end.

        Each goes on from its latest checkpoint, where this pack has the bits of that one. `claim_more` is
        told how many slots are empty and how many runs are in training. Whatever training raises goes
        through; what had ended before is published.
        """
        manifest = self._manifest(shape, won, width)
        attempt.write_manifest(manifest.to_dict())
        execution, dataset = self.plan.execution, self.load_data(self.plan.runs[won[0]])
        task = PackTask(
            width=width,
            backend=manifest.backend,
            statistics=execution.diagnostics.gradient_statistics,
            device=self.device,
            new_checkpoint=attempt.new_checkpoint,
            checkpoint_every_s=execution.launcher.checkpoint_every_s,
            examples_per_pass=manifest.examples_per_pass,
        )

        def hand_out(trained: TrainedRun) -> None:
            self._publish(attempt, trained, self._provenance(attempt, shape, manifest, trained, dataset))

        def refill(num_slots: int, num_running: int) -> Sequence[Member]:
            return self._members(claim_more(num_slots, num_running), manifest)

        def tell(progress: Progress) -> None:
            attempt.tell(progress.updates_of, progress.num_made)
            self.on_progress(progress)

        attempt.train_on(str(self.device))
        members = self._members(won, manifest)
        with self.followers.meeting(attempt.log_path) as ranks:
            return train_pack(task, members, dataset, hand_out, refill, tell, self.stop_requested, ranks)

    def halve_parts(self, shape: str, run: Run) -> bool:
        """Compute minibatches of a shape in parts half as large from now on; False where that can't be."""
        part = halved(run, self.followers.num_devices, self._part(shape, run))
        if part is None:
            return False
        wanted = self.plan.execution.launcher.backend
        if wanted != "auto" and not can_split(wanted):
            return False
        self._largest_parts[shape] = part
        return True

    def load_data(self, run: Run) -> Dataset | ImageFiles:
        """Return the data set of a run, loaded once.

        Raises
        ------
        UserError
            If it is missing, or not what it should be.
        """
        if run.data not in self._datasets:
            self._datasets[run.data] = load_dataset(run.data, self.plan.execution.folders.data)
        return self._datasets[run.data]

    def _part(self, shape: str, run: Run) -> int | None:
        """Return how many examples are computed at a time: as asked for, or as memory has room for."""
        asked_for = part_of(run, self.plan.execution.launcher.examples_per_pass)
        return self._largest_parts.get(shape, asked_for)

    def _manifest(self, shape: str, keys: Sequence[str], width: int) -> Manifest:
        """Return that of a checkpoint of these runs, if it can be honoured here; else a new one."""
        run, num_devices = self.plan.runs[keys[0]], self.followers.num_devices
        source = run.model.source_sha256 if isinstance(run.model, CustomModel) else None

        def here(backend: str, part: int | None) -> Manifest:
            return Manifest.here(width, backend, run.precision, self.device, num_devices, part, source)

        for checkpoint in filter(None, (latest_checkpoint(self.store, key) for key in keys)):
            backend, part = (
                str(checkpoint.manifest.get("backend")),
                checkpoint.manifest.get("examples_per_pass"),
            )
            manifest = here(backend, part)
            if manifest.to_dict() == dict(checkpoint.manifest) and self._has_room(shape, part):
                return manifest
        part = self._part(shape, run)
        refuse_unsplittable(run, num_devices, part)
        return here(self._backend(keys, width, part), part)

    def _has_room(self, shape: str, part: int | None) -> bool:
        largest = self._largest_parts.get(shape)
        return largest is None or (part is not None and part <= largest)

    def _backend(self, keys: Sequence[str], width: int, part: int | None) -> str:
        runs = list(islice(cycle(self.plan.runs[key] for key in keys), width))
        wanted, num_devices = self.plan.execution.launcher.backend, self.followers.num_devices
        if wanted == "auto":
            num_updates = max(run.num_updates for run in runs)
            return choose_backend(runs, self.device, num_updates, num_devices, part)
        return require_backend(wanted, runs, self.device, num_devices, part)

    def _members(self, keys: Sequence[str], manifest: Manifest) -> list[Member]:
        """Make members that go on from their checkpoints; one whose bits would be others starts again."""
        states: dict[Path, dict[str, Any]] = {}
        members = []
        for key in keys:
            member = Member(key, self.plan.runs[key])
            checkpoint = latest_checkpoint(self.store, key)
            if checkpoint is not None and dict(checkpoint.manifest) == manifest.to_dict():
                with suppress(FileNotFoundError):  # cleared away, since another worker has published its runs
                    if checkpoint.path not in states:
                        states[checkpoint.path] = load_states(checkpoint.path)
                    state = states[checkpoint.path].get(key)
                    member = Member.from_state(key, member.run, state) if state else member
            members.append(member)
        return members

    def _publish(self, attempt: Attempt, trained: TrainedRun, provenance: Provenance) -> None:
        run = self.plan.runs[trained.key]
        result = RunResult(
            key=trained.key,
            state=trained.state,
            config=run.model_dump(mode="json"),
            summary=trained.summary,
            num_updates=run.num_updates if trained.diverged_at is None else trained.diverged_at,
            diverged_at=trained.diverged_at,
            provenance=provenance,
        )
        weights = None
        if self.plan.execution.launcher.keep == "final":
            weights = attempt.folder / f"{trained.key}.pt"
            with naming(attempt.folder):
                save(trained.parameters, weights)
        self.store.publish(attempt, result, trained.curves, weights)

    def _provenance(
        self,
        attempt: Attempt,
        shape: str,
        manifest: Manifest,
        trained: TrainedRun,
        dataset: Dataset | ImageFiles,
    ) -> Provenance:
        return Provenance(
            sgdlab_version=__version__,
            commit=commit(),
            torch_version=manifest.torch_version,
            device=together(manifest.device, manifest.num_devices),
            num_threads=manifest.num_threads,
            num_devices=manifest.num_devices,
            examples_per_pass=manifest.examples_per_pass,
            dtype=manifest.precision,
            pack_width=manifest.width,
            backend=manifest.backend,
            shape=shape,
            seconds_per_update=trained.seconds / max(1, trained.num_updates),
            wall_s=trained.seconds,
            data_sha256=dataset.checksum,
            attempt=attempt.id,
            host=platform.node(),
            finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
