"""The population: R runs of equal shapes as one LightningModule.

Parameters are stacked on a leading axis; what doesn't change shapes (learning rate, λ, L2, schedule, seed)
is a vector with one entry a run. A `training_step` is a chunk of parameter updates closed by one wrapped
optimizer step, so that Lightning's own counters and checkpoints stay right. The DataLoader carries no data:
the minibatches follow from the update counter alone. A run whose loss stops being finite is masked: its slot
is zeroed and no longer updated, and nothing changes for the others.
"""

from __future__ import annotations

import itertools
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
from sgdlab.training.batches import BatchSource
from sgdlab.training.evaluation import evaluate
from sgdlab.training.objective import Minibatches, Objective, Tensors, norm_sq, per_run
from sgdlab.training.penalty import DifferencePenalty, update_direction
from sgdlab.training.recorder import Recorder
from sgdlab.training.schedules import relative_learning_rates
from sgdlab.training.streams import stream

UPDATES_PER_CHUNK = 32
_PARTITION_SEED = 0  # the partition behind C_reg is the same for every run


class ChunkOptimizer(torch.optim.Optimizer):
    """Plain SGD with a learning rate a run; its `step` is a closure that makes a whole chunk of updates."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        super().__init__(parameters, defaults={})

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Run the chunk."""
        return closure() if closure is not None else None

    @torch.no_grad()
    def update(self, gradients: Tensors, rates: Tensor) -> None:
        """Subtract rate·gradient from each run's parameters; rates are ``(R,)``."""
        for parameter, gradient in zip(self.param_groups[0]["params"], gradients, strict=True):
            parameter.addcmul_(gradient, per_run(rates, gradient), value=-1)


class Population(LightningModule):
    """Runs trained together; `is_live` masks slots that another worker trains or that are done."""

    def __init__(
        self, runs: Sequence[Run], is_live: Sequence[bool], pipeline: Pipeline, statistics: str = "end"
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        first = runs[0]
        self.runs, self.pipeline, self.statistics = tuple(runs), pipeline, statistics
        self.num_updates, self.evaluate_every = first.num_updates, first.evaluate_every_num_updates
        self.inner_steps = first.optimizer.inner_steps
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
        l2 = like.new_tensor([run.loss.l2 for run in runs])
        self._rates = torch.tensor([run.optimizer.lr for run in runs], dtype=torch.float64)
        self.objective = Objective(self.network, self.names, l2 if bool(l2.any()) else None)
        self.direction = update_direction(self.objective, [run.regularizer for run in runs], like.detach())
        self._batches = BatchSource(runs, pipeline)

    # ---- Lightning's side ------------------------------------------------------------------------------

    def configure_optimizers(self) -> ChunkOptimizer:
        """Return the one optimizer."""
        self._optimizer = ChunkOptimizer(self.parameter_tuple())
        return self._optimizer

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
        """Make updates up to the end of the chunk, the next evaluation, or a request to stop."""
        optimizer = self._optimizer
        next_evaluation = (self.update // self.evaluate_every + 1) * self.evaluate_every
        stop = min(self.update + UPDATES_PER_CHUNK, next_evaluation, self.num_updates)
        start, rates = self.update, self._learning_rates(self.update, stop)
        parameters = self.parameter_tuple()
        losses: list[Tensor] = []
        minibatches = self._batches.prepare(start // self.inner_steps, (stop - 1) // self.inner_steps + 1)
        batch, current = None, -1
        while self.update < stop and not (losses and self.stop_requested()):
            if self.update // self.inner_steps != current:
                current = self.update // self.inner_steps
                batch = minibatches.batch(current)
            assert batch is not None
            loss, gradients = self.direction(parameters, batch)
            optimizer.update(gradients, rates[self.update - start])
            losses.append(loss)
            self.update += 1
        self._mask_diverged(start, torch.stack(losses).cpu())

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
        parameters = dict(zip(self.names, (p.detach() for p in self.stacked), strict=True))
        pipeline, is_last = self.pipeline, self.update == self.num_updates
        train = evaluate(self.network, parameters, pipeline.train_inputs, pipeline.train_labels)
        test = evaluate(self.network, parameters, pipeline.test_inputs, pipeline.test_labels)
        self._mask_diverged(self.update, train.loss.cpu()[None])
        metrics = {
            "test_accuracy": test.accuracy,
            "test_loss": test.loss,
            "train_accuracy": train.accuracy,
            "train_loss": train.loss,
            "train_cost": train.loss + self._l2_term(),
        }
        if isinstance(self.direction, DifferencePenalty):
            metrics["penalty_relative_error"] = self._penalty_error()
        if self.statistics == "evaluations" or (self.statistics == "end" and is_last):
            metrics |= self._gradient_statistics()
        self.recorder.record(self.update, metrics, test.correct)

    def _l2_term(self) -> Tensor:
        """Return (l2/2)·‖ω‖² of each run, and 0 without L2 even where ‖ω‖² overflows."""
        l2 = torch.tensor([run.loss.l2 for run in self.runs], dtype=torch.float64, device=self.device)
        norms = norm_sq(tuple(p.detach().double() for p in self.stacked))
        return torch.where(l2 > 0, l2 / 2 * norms, 0)

    def _penalty_error(self) -> Tensor:
        assert isinstance(self.direction, DifferencePenalty)
        index = (self.update - 1) // self.inner_steps
        batch = self._batches.prepare(index, index + 1).batch(index)
        return self.direction.relative_error(self.parameter_tuple(), batch)

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
