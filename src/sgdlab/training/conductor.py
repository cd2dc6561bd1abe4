"""What happens between chunks of updates: runs are handed out and taken in, checkpoints written.

On several devices rank 0 alone decides; the others do the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from sgdlab.training.members import Member
from sgdlab.training.population import Population
from sgdlab.training.ranks import Ranks
from sgdlab.training.recorder import summarize

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
    examples_per_pass: int | None = None  # of a minibatch, at a time; None: all


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

    updates_of: Mapping[str, int] = field(default_factory=dict)  # key → made, earlier attempts included
    num_made: int = 0  # updates made since the last word, over all runs
    ended: tuple[str, ...] = ()  # keys of runs that have ended since the last word

    @property
    def num_running(self) -> int:
        """Runs in training."""
        return len(self.updates_of)

    @property
    def num_updates_of_running(self) -> int:
        """Updates that they have made."""
        return sum(self.updates_of.values())


@dataclass(frozen=True)
class _Decision:
    """What is done between two chunks."""

    arrivals: Sequence[Member] = ()
    is_stopped: bool = False
    is_saved: bool = False


class Conductor(Callback):
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
        """Fill what slots are empty."""
        assert isinstance(pl_module, Population)
        self._saved = time.monotonic()
        self._welcome(pl_module.members)
        self._take_in(pl_module, self._ranks.agree(lambda: self._offer(pl_module)))
        self._tell(pl_module, ended=())

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        """Hand out what has ended, take in what comes, save where it is time."""
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
        num_made = population.num_made - self._num_made
        self._num_made = population.num_made
        updates_of = {member.key: member.update for member in population.members}
        self._on_progress(Progress(updates_of, num_made, ended))

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
