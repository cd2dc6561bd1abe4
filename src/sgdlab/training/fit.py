"""Train one pack with Lightning: start or resume, checkpoint by time, stop when asked."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from sgdlab.config.schema import Run
from sgdlab.data.dataset import Dataset
from sgdlab.data.pipeline import Pipeline
from sgdlab.training.population import Population
from sgdlab.training.recorder import summarize
from sgdlab.training.saving import CheckpointInPlace

NewCheckpoint = Callable[[int], AbstractContextManager[Path]]
"""Told the number of updates made, gives a path to write to; at the block's end it is the latest one."""


@dataclass(frozen=True)
class PackTask:
    """A pack as a worker trains it."""

    runs: tuple[Run, ...]  # normalised, of one shape; one a slot
    is_live: tuple[bool, ...]  # slots that this worker trains; the others are masked
    backend: str  # how its updates are computed: see backends.recipes
    statistics: Literal["none", "end", "evaluations"]
    device: torch.device
    resume_from: Path | None  # a checkpoint of this very pack
    new_checkpoint: NewCheckpoint
    checkpoint_every_s: float


@dataclass(frozen=True)
class TrainedRun:
    """What training leaves of one run."""

    state: Literal["done", "diverged"]
    diverged_at: int | None  # update with the first non-finite loss
    summary: dict[str, float]
    curves: dict[str, np.ndarray]
    parameters: dict[str, Tensor]  # without the run axis


@dataclass(frozen=True)
class TrainedPack:
    """Slots that were masked hold None."""

    runs: tuple[TrainedRun | None, ...]
    seconds: float  # of training in this process
    num_updates: int  # made in this process


def train_pack(
    task: PackTask,
    dataset: Dataset,
    on_progress: Callable[[int], None] = lambda _: None,
    stop_requested: Callable[[], bool] = lambda: False,
) -> TrainedPack | None:
    """Train the live runs of a pack to their end; None if a stop was requested before (a checkpoint is left).

    `on_progress` is told the number of parameter updates made so far, at the start first of all.
    """
    _use_exact_arithmetic()
    pipeline = Pipeline(task.runs[0].data, dataset, task.device, getattr(torch, task.runs[0].precision))
    population = Population(task.runs, task.is_live, pipeline, task.backend, task.statistics)
    population.stop_requested = stop_requested
    watcher = _Watcher(task.new_checkpoint, task.checkpoint_every_s, on_progress)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning")  # advice on loaders: there are none
        trainer = _trainer(task.device, watcher)
        trainer.fit(population, ckpt_path=task.resume_from, weights_only=True)
    if not population.is_finished:
        return None
    runs = tuple(_trained_run(population, slot) if live else None for slot, live in enumerate(task.is_live))
    return TrainedPack(runs, watcher.seconds, population.update - watcher.first_update)


class _Watcher(Callback):
    """Saves checkpoints by time, and when training stops early; tells how far training is."""

    def __init__(
        self, new_checkpoint: NewCheckpoint, every_s: float, on_progress: Callable[[int], None]
    ) -> None:
        self._new_checkpoint, self._every_s, self._on_progress = new_checkpoint, every_s, on_progress
        self._started = self._last = time.monotonic()
        self.first_update = 0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def on_train_start(self, _trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, Population)
        self._started = self._last = time.monotonic()
        self.first_update = pl_module.update
        self._on_progress(pl_module.update)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        assert isinstance(pl_module, Population)
        self._on_progress(pl_module.update)
        if pl_module.is_finished:
            return
        if trainer.should_stop or time.monotonic() - self._last >= self._every_s:
            with self._new_checkpoint(pl_module.update) as path:
                trainer.save_checkpoint(path)
            self._last = time.monotonic()


def _trainer(device: torch.device, watcher: _Watcher) -> Trainer:
    return Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=[device.index or 0] if device.type == "cuda" else 1,
        max_epochs=-1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[watcher],
        plugins=[CheckpointInPlace()],
    )


def _use_exact_arithmetic() -> None:
    """Full precision and repeatable kernels; one thread, because small operations lose by more."""
    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def _trained_run(population: Population, slot: int) -> TrainedRun:
    diverged_at = population.diverged_at[slot]
    curves = population.recorder.curves_of(slot, diverged_at)
    parameters = {
        name: values.detach()[slot].cpu().clone()
        for name, values in zip(population.names, population.parameter_tuple(), strict=True)
    }
    state: Literal["done", "diverged"] = "done" if diverged_at is None else "diverged"
    return TrainedRun(state, diverged_at, summarize(curves), curves, parameters)
