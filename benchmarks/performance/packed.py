"""sgdlab's side: packs trained by `train_pack`, as a worker does. The one module that knows how.

Time is taken between the marks that training reports. Left out of the steady time are the first chunk, which
sets things up, and the last, which ends with the evaluation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from performance.timing import cpu_s
from performance.work import CADENCE_EPOCHS, Work
from sgdlab.config.schema import Run
from sgdlab.data.pipeline import ResidentPipeline
from sgdlab.training.backends.trial import choose_backend
from sgdlab.training.conductor import PackTask, Progress, TrainedRun
from sgdlab.training.fit import train_pack
from sgdlab.training.members import Member
from sgdlab.training.population import Population

_CPU = torch.device("cpu")
_NO_RATE = 1e-38  # a learning rate that moves nothing in float32, and nothing visible in float64


@dataclass(frozen=True)
class Marks:
    """How many updates were made at which CPU second, from the call of `train_pack` on."""

    updates: tuple[int, ...]
    seconds: tuple[float, ...]

    @property
    def middle_s(self) -> float:
        """Seconds between the first chunk and the last; 0 where nothing lies between."""
        return self.seconds[-2] - self.seconds[1] if len(self.updates) > 3 else 0.0

    @property
    def steady_s(self) -> float:
        """Seconds an update of the whole pack, after the first chunk and before the last."""
        if not self.middle_s:
            raise RuntimeError(f"training reported only the updates {self.updates}: nothing lies between")
        return self.middle_s / (self.updates[-2] - self.updates[1])


def train(work: Work, num_updates: int, evaluate_every: int | None = None) -> Marks:
    """Train a pack and return its marks."""
    updates: list[int] = []
    seconds: list[float] = []

    def mark(progress: Progress) -> None:
        updates.append((updates[-1] if updates else 0) + progress.num_made // len(runs))
        seconds.append(cpu_s() - started)

    dataset, runs = work.dataset(), work.runs(num_updates, evaluate_every)
    started = cpu_s()
    task = _task(len(runs), backend_of(work))
    train_pack(task, _members(runs), dataset, hand_out=lambda _: None, on_progress=mark)
    return Marks(tuple(updates), tuple(seconds))


def steady_us(work: Work, num_updates: int) -> float:
    """Return µs a run and update of training alone."""
    return train(work, num_updates).steady_s / work.num_runs * 1e6


def cadence_us(work: Work) -> float:
    """Return µs a run and update over one period of the sweeps' own cadence, its evaluation included."""
    period = CADENCE_EPOCHS * work.num_train // work.batch_size
    marks = train(work, 2 * period, evaluate_every=period)
    start, end = (marks.seconds[marks.updates.index(update)] for update in (period, 2 * period))
    return (end - start) / period / work.num_runs * 1e6


def without_trainer_us(work: Work, num_updates: int) -> float:
    """Return µs a run and update of the same updates, the population driven by hand: no Trainer, no hooks."""
    runs = work.runs(num_updates)
    population = Population(_members(runs), pipeline_of(work), backend_of(work), "none")
    updates: list[int] = []
    seconds: list[float] = []
    first = population.members[0]
    while not first.has_ended:
        population._advance()
        updates.append(first.update)
        seconds.append(cpu_s())
    return (seconds[-2] - seconds[0]) / (updates[-2] - updates[0]) / work.num_runs * 1e6


def backend_of(work: Work) -> str:
    """Return what a worker would choose for such a pack."""
    return choose_backend(work.runs(1), _CPU, work.num_sweep_updates)


def trained(work: Work, num_updates: int, backend: str) -> dict[str, Tensor]:
    """Return all runs' parameters after so many updates, each ``(K, …)``, as `train_pack` hands them out."""
    return _parameters(work, work.runs(num_updates), backend)


def initial(work: Work) -> dict[str, Tensor]:
    """Return all runs' initial parameters, each ``(K, …)``: what an update by next to nothing leaves."""
    return _parameters(work, work.runs(1, lr=_NO_RATE), "batched")


def pipeline_of(work: Work) -> ResidentPipeline:
    """Return the examples as sgdlab's networks see them; peers get the same."""
    dtype = getattr(torch, work.precision)
    return ResidentPipeline(work.runs(1)[0].data, work.dataset(), _CPU, dtype)


def alone(work: Work) -> Work:
    """Return the same with one run."""
    return replace(work, num_runs=1)


def _parameters(work: Work, runs: list[Run], backend: str) -> dict[str, Tensor]:
    trained: list[TrainedRun] = []
    train_pack(_task(len(runs), backend), _members(runs), work.dataset(), trained.append)
    trained.sort(key=lambda run: int(run.key))
    return {name: torch.stack([run.parameters[name] for run in trained]) for name in trained[0].parameters}


def _members(runs: list[Run]) -> list[Member]:
    return [Member(str(slot), run) for slot, run in enumerate(runs)]


def _task(width: int, backend: str) -> PackTask:
    return PackTask(
        width=width,
        backend=backend,
        statistics="none",
        device=_CPU,
        new_checkpoint=_no_checkpoint,
        checkpoint_every_s=float("inf"),
    )


@contextmanager
def _no_checkpoint(progress: Mapping[str, int]) -> Iterator[Path]:
    raise RuntimeError(f"a checkpoint was asked for at {progress}")
    yield Path()
