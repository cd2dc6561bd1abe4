"""How long training takes: short packs on made-up examples, trained as any pack is, at several widths.

Each training differs from the first in one thing, so the difference of their times is what that thing takes:
several times the updates, more evaluations, statistics of the gradient at the end. Forward passes are timed
alone. The learning rate is next to nothing, so that no run diverges.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch

from sgdlab.config.components import UpdateBudget, UpdateEvaluation
from sgdlab.config.landscape import NoLandscape
from sgdlab.config.schema import Run
from sgdlab.config.shapes import part_of, step_of
from sgdlab.config.widths import next_width
from sgdlab.data.dataset import Dataset
from sgdlab.data.image_files import ImageFiles
from sgdlab.data.made_up import made_up_dataset
from sgdlab.machine.speeds import SpeedTable, TrainingSpeed
from sgdlab.training.backends.trial import Trial, choose_backend, device_name, require_backend
from sgdlab.training.conductor import PackTask
from sgdlab.training.fit import train_pack
from sgdlab.training.members import Member
from sgdlab.training.splitting import refuse_unsplittable

Statistics = Literal["none", "end"]

_LEARNING_RATE = 1e-9
_NUM_SEEDS = 5  # as a sweep has: runs of one seed share their minibatches
_SHORT_EPOCH, _LONG_EPOCH = 4, 64  # minibatches; the long one where they are quick
_NUM_TEST = 1
_SHORTEST_S = 0.05  # of a training that is timed
_MAX_UPDATES = 512
_MANY, _CLEARLY, _MOST_UPDATES = 6, 2.0, 100_000  # so many times the updates, until it takes twice the time
_NUM_REPEATS = 3
_NUM_UPDATES_AT_LEAST = 30  # that measuring a width takes, evaluations counted as so many
_LONGEST_S = 20.0  # of one width's measurement; beyond, no wider pack is tried


@dataclass(frozen=True)
class Wanted:
    """Runs of one step that are to be trained."""

    run: Run  # one of them
    num_runs: int  # that packs may hold at most
    num_updates: int  # of one run
    backend: str  # or "auto"
    num_bytes: int | None  # of memory that a pack may take
    examples_per_pass: int | None = None  # of a minibatch, at a time


def measure_step(wanted: Wanted, device: torch.device) -> None:
    """Measure what isn't known of a step yet, from narrow packs to wide ones, and write it in the table.

    Raises
    ------
    UsageError
        If the backend that is asked for can't train these runs, or minibatches can't be split as asked for.
    """
    part = part_of(wanted.run, wanted.examples_per_pass)
    refuse_unsplittable(wanted.run, 1, part)
    table = SpeedTable(step_of(wanted.run, part), device_name(device))
    known = _known(table, wanted.backend)
    while (width := next_width(known, wanted.num_runs)) is not None:
        longest_s = _NUM_UPDATES_AT_LEAST * width * max(known.values(), default=0.0)
        if longest_s > _LONGEST_S or not _fits(table, width, wanted):
            return
        members = _members(wanted.run, width)
        if wanted.backend == "auto":
            backend = choose_backend(members, device, wanted.num_updates, examples_per_pass=part)
        else:
            backend = require_backend(wanted.backend, members, device, examples_per_pass=part)
        speed = _measure_training(members, backend, device, part)
        table.add_training(width, speed)
        known[width] = speed.update_s


def _known(table: SpeedTable, backend: str) -> dict[int, float]:
    """Return the time of one update of one run at each width that was measured, with the fastest backend."""
    known: dict[int, float] = {}
    for name, of in table.training().items():
        for width, speed in of.items():
            if backend in (name, "auto"):
                known[width] = min(speed.update_s, known.get(width, math.inf))
    return known


def _fits(table: SpeedTable, width: int, wanted: Wanted) -> bool:
    """Whether a pack so wide takes no more than its share of memory, as far as narrower ones tell."""
    if wanted.num_bytes is None:
        return True
    per_run = [
        speed.num_bytes / narrower for of in table.backends().values() for narrower, speed in of.items()
    ]
    return min(per_run, default=0) * width <= wanted.num_bytes


def _measure_training(
    members: Sequence[Run], backend: str, device: torch.device, examples_per_pass: int | None
) -> TrainingSpeed:
    width = len(members)
    pack = _ShortPack(tuple(members), backend, device, _SHORT_EPOCH, examples_per_pass)
    if pack.seconds(2, 2) < _SHORTEST_S:
        pack = replace(pack, num_minibatches=_LONG_EPOCH)
    few = 2
    while few < _MAX_UPDATES and pack.seconds(few, few) < _SHORTEST_S:
        few *= 4
    often = max(1, few // 8)
    base = pack.fastest_s(few, few)
    update_s = _update_s(pack, few, base)
    statistics_s = max(0.0, pack.fastest_s(few, few, "end") - base)
    example_s = Trial(tuple(members), device, examples_per_pass).example_s(backend)
    examples_s = len(pack.dataset.train_labels) * example_s * width
    more_s = max(0.0, pack.fastest_s(few, often) - base) / (-(-few // often) - 1)
    evaluation_s = max(0.0, more_s - examples_s)
    return TrainingSpeed(
        backend,
        setup_s=max(0.0, base - few * update_s - evaluation_s - examples_s),
        update_s=update_s / width,
        evaluation_s=evaluation_s,
        example_s=example_s,
        gradient_s=statistics_s / pack.num_minibatches / width,
    )


def _update_s(pack: _ShortPack, few: int, few_s: float) -> float:
    """Return the seconds of one update of the pack; few of them take `few_s`, everything around included.

    More and more are made until their time is clearly longer: else what disturbs either training would be
    taken for the updates, or for less than none of them. Where it never is, everything counts as updates.
    """
    many, many_s = few, few_s
    while many_s < _CLEARLY * few_s and many < _MOST_UPDATES:
        many *= _MANY
        many_s = pack.fastest_s(many, many)
    return (many_s - few_s) / (many - few) if many_s > few_s else many_s / many


@dataclass(frozen=True)
class _ShortPack:
    """A pack on a made-up training set of so many minibatches."""

    members: tuple[Run, ...]
    backend: str
    device: torch.device
    num_minibatches: int
    examples_per_pass: int | None = None

    def seconds(self, num_updates: int, evaluate_every: int, statistics: Statistics = "none") -> float:
        """Return the time of training from its very beginning, in seconds."""
        members = [
            Member(str(slot), self._shortened(run, num_updates, evaluate_every))
            for slot, run in enumerate(self.members)
        ]
        task = PackTask(
            width=len(members),
            backend=self.backend,
            statistics=statistics,
            device=self.device,
            new_checkpoint=_no_checkpoint,
            checkpoint_every_s=math.inf,
            examples_per_pass=self.examples_per_pass,
        )
        started = self._clock()
        train_pack(task, members, self.dataset, hand_out=lambda _: None)
        return self._clock() - started

    def fastest_s(self, num_updates: int, evaluate_every: int, statistics: Statistics = "none") -> float:
        """Return the least time of some repetitions: what disturbs a measurement only makes it longer."""
        first = self.seconds(num_updates, evaluate_every, statistics)
        num_more = _NUM_REPEATS - 1 if first < 10 * _SHORTEST_S else 0
        more = (self.seconds(num_updates, evaluate_every, statistics) for _ in range(num_more))
        return min([first, *more])

    @cached_property
    def dataset(self) -> Dataset | ImageFiles:
        """The examples."""
        first = self.members[0]
        return made_up_dataset(first.data, self.num_minibatches * first.optimizer.batch_size, _NUM_TEST)

    def _clock(self) -> float:
        """Seconds; those of this process alone where the processor trains, whatever else the machine does."""
        return time.process_time() if self.device.type == "cpu" else time.perf_counter()

    def _shortened(self, run: Run, num_updates: int, evaluate_every: int) -> Run:
        changes = {
            "data": run.data.model_copy(update={"num_train": len(self.dataset.train_labels)}),
            "budget": UpdateBudget(num_updates=num_updates),
            "evaluation": UpdateEvaluation(every_num_updates=evaluate_every),
            "landscape": NoLandscape(),  # no part of the step: what it costs is reckoned
        }
        return run.model_copy(update=changes)


def _members(run: Run, width: int) -> list[Run]:
    """Return runs like this one, with a few seeds between them."""
    optimizer = run.optimizer.model_copy(update={"lr": _LEARNING_RATE})
    return [
        run.model_copy(update={"seed": slot % _NUM_SEEDS, "optimizer": optimizer}) for slot in range(width)
    ]


def _no_checkpoint(_: Mapping[str, int]) -> AbstractContextManager[Path]:
    raise AssertionError("a short pack is never saved")
