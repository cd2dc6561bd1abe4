"""The population: R runs of equal shapes as one LightningModule.

Parameters are stacked on a leading axis; what doesn't change shapes (learning rate, λ, L2, schedule, seed)
is a vector with one entry a run. A `training_step` is a chunk of parameter updates closed by one wrapped
optimizer step, so that Lightning's own counters and checkpoints stay right. The DataLoader carries no data:
the minibatches follow from the update counter alone. A run whose loss stops being finite is masked: its slot
is zeroed and no longer updated, and nothing changes for the others.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from sgdlab.config.schema import Run
from sgdlab.data.pipeline import Pipeline
from sgdlab.diagnostics.implicit_regularizer import gradient_statistics
from sgdlab.models.build import build_network
from sgdlab.models.network import stack_runs
from sgdlab.training.backends.backend import UpdateRule
from sgdlab.training.backends.recipes import make_backend, make_evaluator
from sgdlab.training.batches import BatchSource
from sgdlab.training.objective import Minibatches, Tensors, norm_sq
from sgdlab.training.penalty import difference_penalty
from sgdlab.training.recorder import Recorder
from sgdlab.training.schedules import relative_learning_rates
from sgdlab.training.streams import stream

MAX_UPDATES_PER_CHUNK = 128  # beyond, Lightning's share of the time is below one per cent
_SECONDS_PER_CHUNK = 0.25  # a request to stop is heard between chunks
_PARTITION_SEED = 0  # the partition behind C_reg is the same for every run


class ChunkOptimizer(torch.optim.Optimizer):
    """Lightning's handle on the updates: its `step` is a closure that makes a whole chunk of them."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        super().__init__(parameters, defaults={})

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Run the chunk."""
        return closure() if closure is not None else None


class Population(LightningModule):
    """Runs trained together; `is_live` masks slots that another worker trains or that are done."""

    def __init__(
        self,
        runs: Sequence[Run],
        is_live: Sequence[bool],
        pipeline: Pipeline,
        backend: str = "batched",
        statistics: str = "end",
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        first = runs[0]
        self.runs, self.pipeline, self.statistics = tuple(runs), pipeline, statistics
        self.num_updates, self.evaluate_every = first.num_updates, first.evaluate_every_num_updates
        self.network = build_network(first.model, first.data)

        initial = stack_runs(
            (self.network.initial_parameters(stream(run.seed, "init")) for run in runs),
            getattr(torch, first.precision),
        )
        self.names = tuple(initial)
        device = pipeline.train_labels.device
        self.stacked = nn.ParameterList([nn.Parameter(values.to(device)) for values in initial.values()])
        self.update = 0  # parameter updates made
        self.diverged_at: list[int | None] = [None] * len(runs)
        self.recorder = Recorder()
        self.stop_requested: Callable[[], bool] = lambda: False
        self._is_live = torch.tensor(is_live)
        self._silence(~self._is_live)

        like = self.stacked[0]
        self._rates = torch.tensor([run.optimizer.lr for run in runs], dtype=torch.float64)
        rule = UpdateRule.of(runs, self.network, self.names, like.detach())
        self.objective = rule.objective
        self.backend = make_backend(backend, rule, like.detach())
        self._evaluator = make_evaluator(backend, rule, like.detach())
        self._difference = difference_penalty(rule.objective, rule.regularizers, like.detach())
        self._batches = BatchSource(runs, pipeline)
        self._chunk_length = 1  # adapted to the speed

    # ---- Lightning's side ------------------------------------------------------------------------------

    def configure_optimizers(self) -> ChunkOptimizer:
        """Return the one optimizer."""
        return ChunkOptimizer(self.parameter_tuple())

    def train_dataloader(self) -> Iterator[int]:
        """Return an endless clock; training ends by the population's own counter."""
        return _Clock()  # type: ignore[return-value]

    def training_step(self, _tick: int, _index: int) -> None:
        """Make one chunk of updates; evaluate where the grid says so; stop after the last."""
        optimizer = self.optimizers()
        optimizer.step(closure=self._advance)  # type: ignore[union-attr]
        if self.update % self.evaluate_every == 0 or self.update == self.num_updates:
            self._evaluate()
        if self.update == self.num_updates or not bool(self._is_live.any()) or self.stop_requested():
            self.trainer.should_stop = True

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the update counter, the masks and the curves."""
        checkpoint["population"] = {
            "update": self.update,
            "is_live": self._is_live.clone(),
            "diverged_at": list(self.diverged_at),
            "recorder": self.recorder.state(),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore them. A slot that is no longer this worker's stays masked.

        Raises
        ------
        ValueError
            If a live slot was masked: what the checkpoint has there is no training of the run.
        """
        state = checkpoint["population"]
        self.update, self.diverged_at = state["update"], list(state["diverged_at"])
        self.recorder = Recorder.from_state(state["recorder"])
        has_diverged = torch.tensor([update is not None for update in self.diverged_at])
        missing = self._is_live & ~state["is_live"] & ~has_diverged
        if bool(missing.any()):
            raise ValueError(f"the checkpoint has nothing in slots {missing.nonzero().flatten().tolist()}")
        self._is_live &= state["is_live"]

    def on_train_start(self) -> None:
        """Silence masked slots again: loading a checkpoint may have filled them."""
        self._silence(~self._is_live)

    # ---- the training itself ---------------------------------------------------------------------------

    @property
    def is_finished(self) -> bool:
        """Whether every run is done or has diverged."""
        return self.update == self.num_updates or not bool(self._is_live.any())

    def parameter_tuple(self) -> Tensors:
        """Return the stacked parameters in the order of `names`."""
        return tuple(self.stacked)

    def _advance(self) -> None:
        """Make updates up to the end of the chunk or the next evaluation."""
        started = time.perf_counter()
        next_evaluation = (self.update // self.evaluate_every + 1) * self.evaluate_every
        start, stop = self.update, min(self.update + self._chunk_length, next_evaluation, self.num_updates)
        rates, batches = self._learning_rates(start, stop), self._batches.prepare(start, stop)
        losses = self.backend.advance(self.parameter_tuple(), batches, rates)
        self.update = stop
        self._mask_diverged(start, losses.cpu())
        per_update = (time.perf_counter() - started) / (stop - start)
        self._chunk_length = max(1, min(MAX_UPDATES_PER_CHUNK, int(_SECONDS_PER_CHUNK / per_update)))

    def _learning_rates(self, start: int, stop: int) -> Tensor:
        """Return the rates of updates start … stop−1, 0 where a slot is masked: ``(stop − start, R)``."""
        updates = torch.arange(start, stop)
        relative = [relative_learning_rates(run.schedule, updates, self.num_updates) for run in self.runs]
        rates = torch.stack(relative, dim=1) * self._rates * self._is_live
        return rates.to(self.stacked[0])

    def _mask_diverged(self, start: int, losses: Tensor) -> None:
        """Mask live runs with a non-finite loss; losses are ``(updates, R)`` from update `start` on."""
        is_bad = ~losses.isfinite() & self._is_live
        for slot in is_bad.any(dim=0).nonzero().flatten().tolist():
            self.diverged_at[slot] = start + int(is_bad[:, slot].int().argmax())
            self._is_live[slot] = False
        self._silence(is_bad.any(dim=0))

    @torch.no_grad()
    def _silence(self, slots: Tensor) -> None:
        """Zero the slots, so that no infinity slows the arithmetic of the others."""
        if bool(slots.any()):
            for parameter in self.stacked:
                parameter[slots.to(parameter.device)] = 0

    # ---- measurements ----------------------------------------------------------------------------------

    def _evaluate(self) -> None:
        parameters = self.parameter_tuple()
        pipeline, is_last = self.pipeline, self.update == self.num_updates
        train = self._evaluator(parameters, pipeline.train_inputs, pipeline.train_labels)
        test = self._evaluator(parameters, pipeline.test_inputs, pipeline.test_labels)
        self._mask_diverged(self.update, train.loss.cpu()[None])
        metrics = {
            "test_accuracy": test.accuracy,
            "test_loss": test.loss,
            "train_accuracy": train.accuracy,
            "train_loss": train.loss,
            "train_cost": train.loss + self._l2_term(),
        }
        if self._difference is not None:
            batch = self._batches.prepare(self.update - 1, self.update).batch(0)
            error = self._difference.relative_error(self.parameter_tuple(), batch)
            metrics["penalty_relative_error"] = error
        if self.statistics == "evaluations" or (self.statistics == "end" and is_last):
            metrics |= self._gradient_statistics()
        self.recorder.record(self.update, metrics, test.correct)

    def _l2_term(self) -> Tensor:
        """Return (l2/2)·‖ω‖² of each run, and 0 without L2 even where ‖ω‖² overflows."""
        l2 = torch.tensor([run.loss.l2 for run in self.runs], dtype=torch.float64, device=self.device)
        norms = norm_sq(tuple(p.detach().double() for p in self.stacked))
        return torch.where(l2 > 0, l2 / 2 * norms, 0)

    def _gradient_statistics(self) -> dict[str, Tensor]:
        num_runs, inputs, labels = len(self.runs), self.pipeline.train_inputs, self.pipeline.train_labels

        def gradients(examples: Tensor) -> Tensors:
            x, y = inputs[examples], labels[examples]
            batch = Minibatches(x.expand(num_runs, *x.shape), y.expand(num_runs, -1))
            return self.objective.gradients(self.parameter_tuple(), batch)[1]

        partition = torch.randperm(len(labels), generator=stream(_PARTITION_SEED, "partition"))
        measured = gradient_statistics(
            gradients, partition.to(labels.device), self.runs[0].optimizer.batch_size
        )
        return {"c_reg": measured.c_reg, "gradient_norm_sq": measured.gradient_norm_sq}


class _Clock:
    """Ticks for ever; Lightning needs something to iterate over."""

    def __iter__(self) -> Iterator[int]:
        return itertools.count()
