"""Train a population with Lightning: members come and go, checkpoints by time, stop when asked.

On several devices each has a process that does all of this alike. Rank 0 alone knows the clock, the runs
that wait and who wants to stop; between chunks it says what happens next, and hands out what has ended.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning import Trainer

from sgdlab.config.schema import Run
from sgdlab.data.dataset import Dataset
from sgdlab.data.image_files import ImageFiles
from sgdlab.data.pipeline import make_pipeline
from sgdlab.training.conductor import Conductor, PackTask, Progress, TrainedRun
from sgdlab.training.members import Member
from sgdlab.training.population import Population
from sgdlab.training.ranks import ALONE, Ranks
from sgdlab.training.saving import CheckpointInPlace
from sgdlab.training.strategy import SharedMinibatches


@dataclass(frozen=True)
class _Beginning:
    """What rank 0 tells the others before they train with it."""

    width: int
    backend: str
    statistics: Literal["none", "end", "evaluations"]
    members: Sequence[Member]
    examples_per_pass: int | None


def nobody(_num_slots: int, _num_running: int) -> Sequence[Member]:
    """Leave slots empty."""
    return ()


def train_pack(
    task: PackTask,
    members: Sequence[Member],
    dataset: Dataset | ImageFiles,
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
    ranks.agree(
        lambda: _Beginning(task.width, task.backend, task.statistics, members, task.examples_per_pass)
    )
    conductor = Conductor(task, hand_out, refill, on_progress, stop_requested, ranks)
    return _fit(task, members, dataset, conductor, ranks)


def follow_pack(ranks: Ranks, device: torch.device, load_data: Callable[[Run], Dataset | ImageFiles]) -> None:
    """Train what rank 0 trains, on another device, until rank 0 ends it.

    Raises
    ------
    GroupBrokenError
        If another rank is gone.
    """
    beginning: _Beginning = ranks.agree(_unasked)
    members = beginning.members
    task = PackTask(
        beginning.width,
        beginning.backend,
        beginning.statistics,
        device,
        _nowhere,
        checkpoint_every_s=0,
        examples_per_pass=beginning.examples_per_pass,
    )
    conductor = Conductor(task, lambda _: None, nobody, lambda _: None, _unasked, ranks)
    _fit(task, members, load_data(members[0].run), conductor, ranks)


def _fit(
    task: PackTask,
    members: Sequence[Member],
    dataset: Dataset | ImageFiles,
    conductor: Conductor,
    ranks: Ranks,
) -> bool:
    _use_exact_arithmetic()
    run = members[0].run
    pipeline = make_pipeline(run.data, dataset, task.device, getattr(torch, run.precision))
    slots = [*members, *[None] * (task.width - len(members))]
    population = Population(slots, pipeline, task.backend, task.statistics, ranks, task.examples_per_pass)
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


def _trainer(device: torch.device, conductor: Conductor, ranks: Ranks) -> Trainer:
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
