"""Train a population with Lightning: members come and go, checkpoints by time, stop when asked.

On several devices each has a process that does all of this alike. Rank 0 alone knows the clock, the runs
that wait and who wants to stop; between chunks it says what happens next, and hands out what has ended.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from sgdlab.config.schema import Run
from sgdlab.data.dataset import Dataset
from sgdlab.data.pipeline import Pipeline
from sgdlab.training.members import Member
from sgdlab.training.population import Population
from sgdlab.training.ranks import ALONE, Ranks
from sgdlab.training.recorder import summarize
from sgdlab.training.saving import CheckpointInPlace
from sgdlab.training.strategy import SharedMinibatches

_OFFER_EVERY_S = 1.0  # slots that stay empty; one that becomes so is offered at once

NewCheckpoint = Callable[[Mapping[str, int]], AbstractContextManager[Path]]
"""Told key → updates made, gives a path to write to; at the block's end it is the latest one."""


@dataclass(frozen=True)
class PackTask:
    """How a pack is trained."""

    width: int  # slots
    backend: str  # how its updates are computed: see backends.recipes
    statistics: Literal["none", "end", "evaluations"]
    device: torch.device
    new_checkpoint: NewCheckpoint
    checkpoint_every_s: float


@dataclass(frozen=True)
class TrainedRun:
    """What training leaves of one run."""

    key: str
    state: Literal["done", "diverged"]
    diverged_at: int | None  # update with the first non-finite loss
    summary: dict[str, float]
    curves: dict[str, np.ndarray]
    parameters: dict[str, Tensor]  # without the run axis
    seconds: float  # of training in this process
    num_updates: int  # made in this process


@dataclass(frozen=True)
class Progress:
    """How far the runs in training have come."""

    num_running: int = 0
    num_updates_of_running: int = 0  # that they have made, earlier attempts included
    num_made: int = 0  # updates made since the last word, over all runs
    ended: tuple[str, ...] = ()  # keys of runs that have ended since the last word


@dataclass(frozen=True)
class _Beginning:
    """What rank 0 tells the others before they train with it."""

    width: int
    backend: str
    statistics: Literal["none", "end", "evaluations"]
    members: Sequence[Member]


@dataclass(frozen=True)
class _Decision:
    """What is done between two chunks."""

    arrivals: Sequence[Member] = ()
    is_stopped: bool = False
    is_saved: bool = False


def nobody(_num_slots: int, _num_running: int) -> Sequence[Member]:
    """Leave slots empty."""
    return ()


def train_pack(
    task: PackTask,
    members: Sequence[Member],
    dataset: Dataset,
    hand_out: Callable[[TrainedRun], None],
    refill: Callable[[int, int], Sequence[Member]] = nobody,
    on_progress: Callable[[Progress], None] = lambda _: None,
    stop_requested: Callable[[], bool] = lambda: False,
    ranks: Ranks = ALONE,
) -> bool:
    """Train members to their ends; False if a stop was requested before (a checkpoint is left).

    Parameters
    ----------
    task
        How.
    members
        Runs of one shape, one at least, to begin with.
    dataset
        What they train on.
    hand_out
        Takes each run as it ends.
    refill
        Told how many slots are empty and how many runs are in training, gives more runs of the same shape:
        asked when a run has ended, and every now and then.
    on_progress
        Told how far training is, at the start first of all.
    stop_requested
        Asked after each chunk of updates.
    ranks
        The processes that train this pack, of which this is rank 0; the others `follow_pack`.

    Raises
    ------
    GroupBrokenError
        If another rank is gone.
    """
    ranks.agree(lambda: _Beginning(task.width, task.backend, task.statistics, members))
    conductor = _Conductor(task, hand_out, refill, on_progress, stop_requested, ranks)
    return _fit(task, members, dataset, conductor, ranks)


def follow_pack(ranks: Ranks, device: torch.device, load_data: Callable[[Run], Dataset]) -> None:
    """Train what rank 0 trains, on another device, until rank 0 ends it.

    Raises
    ------
    GroupBrokenError
        If another rank is gone.
    """
    beginning: _Beginning = ranks.agree(_unasked)
    members = beginning.members
    task = PackTask(
        beginning.width, beginning.backend, beginning.statistics, device, _nowhere, checkpoint_every_s=0
    )
    conductor = _Conductor(task, lambda _: None, nobody, lambda _: None, _unasked, ranks)
    _fit(task, members, load_data(members[0].run), conductor, ranks)


def _fit(
    task: PackTask, members: Sequence[Member], dataset: Dataset, conductor: _Conductor, ranks: Ranks
) -> bool:
    _use_exact_arithmetic()
    run = members[0].run
    pipeline = Pipeline(run.data, dataset, task.device, getattr(torch, run.precision))
    slots = [*members, *[None] * (task.width - len(members))]
    population = Population(slots, pipeline, task.backend, task.statistics, ranks)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning")  # advice on loaders: there are none
        warnings.filterwarnings("ignore", module="lightning_fabric")  # advice on srun: it isn't wanted
        _trainer(task.device, conductor, ranks).fit(population, weights_only=True)
    return not population.members


def _unasked() -> Any:
    raise AssertionError("rank 0 alone decides")


def _nowhere(_progress: Mapping[str, int]) -> AbstractContextManager[Path]:
    """Rank 0 alone writes checkpoints."""
    return nullcontext(Path(os.devnull))


class _Conductor(Callback):
    """Between chunks: hands out runs that have ended, fills slots, saves, and tells how far training is."""

    def __init__(
        self,
        task: PackTask,
        hand_out: Callable[[TrainedRun], None],
        refill: Callable[[int, int], Sequence[Member]],
        on_progress: Callable[[Progress], None],
        stop_requested: Callable[[], bool],
        ranks: Ranks,
    ) -> None:
        self._task, self._hand_out, self._refill = task, hand_out, refill
        self._on_progress, self._stop_requested = on_progress, stop_requested
        self._ranks = ranks
        self._saved = self._offered = 0.0  # when
        self._num_made = 0  # updates that have been told of
        self._begun: dict[str, tuple[float, int]] = {}  # key → when, and at which update

    def on_train_start(self, _trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, Population)
        self._saved = time.monotonic()
        self._welcome(pl_module.members)
        self._take_in(pl_module, self._ranks.agree(lambda: self._offer(pl_module)))
        self._tell(pl_module, ended=())

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        assert isinstance(pl_module, Population)
        ended = pl_module.take_out()
        for member, parameters in ended:
            self._hand_out(self._trained(member, parameters))
        decision = self._ranks.agree(lambda: self._decide(pl_module, has_news=bool(ended)))
        self._take_in(pl_module, decision.arrivals)
        self._tell(pl_module, tuple(member.key for member, _ in ended))
        trainer.should_stop = decision.is_stopped or not pl_module.members
        if pl_module.members and decision.is_saved:
            with self._task.new_checkpoint({m.key: m.update for m in pl_module.members}) as path:
                trainer.save_checkpoint(path)
            self._saved = time.monotonic()

    def _decide(self, population: Population, has_news: bool) -> _Decision:
        is_stopped = self._stop_requested()
        is_offered = has_news or time.monotonic() - self._offered >= _OFFER_EVERY_S
        arrivals = self._offer(population) if is_offered and not is_stopped else ()
        is_due = time.monotonic() - self._saved >= self._task.checkpoint_every_s
        return _Decision(arrivals, is_stopped, is_saved=is_stopped or is_due)

    def _offer(self, population: Population) -> Sequence[Member]:
        """Offer empty slots to whoever has more runs."""
        self._offered = time.monotonic()
        if not population.num_empty:
            return ()
        return self._refill(population.num_empty, len(population.members))

    def _take_in(self, population: Population, arrivals: Sequence[Member]) -> None:
        self._welcome(arrivals)
        population.fill(arrivals)

    def _welcome(self, members: Sequence[Member]) -> None:
        self._begun |= {member.key: (time.monotonic(), member.update) for member in members}

    def _tell(self, population: Population, ended: tuple[str, ...]) -> None:
        members, num_made = population.members, population.num_made - self._num_made
        self._num_made = population.num_made
        self._on_progress(Progress(len(members), sum(m.update for m in members), num_made, ended))

    def _trained(self, member: Member, parameters: dict[str, Tensor]) -> TrainedRun:
        started, first_update = self._begun.pop(member.key)
        curves = member.recorder.curves(member.diverged_at)
        return TrainedRun(
            key=member.key,
            state="done" if member.diverged_at is None else "diverged",
            diverged_at=member.diverged_at,
            summary=summarize(curves),
            curves=curves,
            parameters=parameters,
            seconds=time.monotonic() - started,
            num_updates=member.update - first_update,
        )


def _trainer(device: torch.device, conductor: _Conductor, ranks: Ranks) -> Trainer:
    first = (device.index or 0) - ranks.rank  # a pack's GPUs are neighbours
    return Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=[first + rank for rank in range(ranks.size)] if device.type == "cuda" else ranks.size,
        strategy="auto" if ranks.size == 1 else SharedMinibatches(ranks),
        max_epochs=-1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        callbacks=[conductor],
        # Slurm's own environment is the launcher's business, not Lightning's; several ranks bring their own
        plugins=[CheckpointInPlace(), LightningEnvironment()] if ranks.size == 1 else [],
    )


def _use_exact_arithmetic() -> None:
    """Full precision and repeatable kernels; one thread, because small operations lose by more."""
    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
