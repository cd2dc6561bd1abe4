"""The population: the members in R slots, of equal shapes, as one LightningModule.

Parameters are stacked on a leading axis; what doesn't change shapes (learning rate, λ, L2, schedule, seed)
is a vector with one entry a slot. A `training_step` is a chunk of parameter updates closed by one wrapped
optimizer step, so that Lightning's own counters stay right. The DataLoader carries no data: the minibatches
follow from each member's own update counter. All members make the same number of updates in a chunk: it ends
where the first of them is to be evaluated. A member whose loss stops being finite is masked: its slot is
zeroed and no longer updated, and nothing changes for the others. So is a slot without a member.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from sgdlab.config.schema import Run
from sgdlab.data.pipeline import Pipeline
from sgdlab.diagnostics.curvature.eigenpairs import Eigenpairs
from sgdlab.models.build import build_network
from sgdlab.training.backends.backend import UpdateRule
from sgdlab.training.backends.recipes import make_backend, make_evaluator
from sgdlab.training.batches import BatchSource, Position
from sgdlab.training.instruments import Instruments
from sgdlab.training.members import Member
from sgdlab.training.objective import Tensors
from sgdlab.training.ranks import ALONE, Ranks
from sgdlab.training.schedules import relative_learning_rates
from sgdlab.training.state import State, without_velocities
from sgdlab.training.streams import stream

MAX_UPDATES_PER_CHUNK = 128  # beyond, Lightning's share of the time is below one per cent
_SECONDS_PER_CHUNK = 0.25  # a request to stop is heard between chunks


class ChunkOptimizer(torch.optim.Optimizer):
    """Lightning's handle on the updates: its `step` is a closure that makes a whole chunk of them."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        super().__init__(parameters, defaults={})

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Run the chunk."""
        return closure() if closure is not None else None


class Population(LightningModule):
    """Members trained together; at least one slot is filled at the start, and the others may be later."""

    def __init__(
        self,
        slots: Sequence[Member | None],
        pipeline: Pipeline,
        backend: str = "batched",
        statistics: str = "end",
        ranks: Ranks = ALONE,
        examples_per_pass: int | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.strict_loading = False  # a checkpoint holds the members, each by itself
        self.slots = list(slots)
        self.pipeline, self.statistics, self._ranks = pipeline, statistics, ranks
        self._examples_per_pass = examples_per_pass  # of a minibatch, at a time
        self.num_made = 0  # updates, over all members
        shared = self.members[0].run  # what is read of it, the runs of one shape have in common
        self.network = build_network(shared.model, shared.data)
        like = torch.zeros((), dtype=getattr(torch, shared.precision), device=pipeline.train.labels.device)
        initial = self.network.initial_parameters(stream(shared.seed, "init"))
        self.names = tuple(initial)
        buffers = self.network.initial_buffers(shared.optimizer.batch_size)
        has_momentum = shared.optimizer.momentum > 0
        state = State.zeros(initial, buffers, len(slots), like, has_momentum=has_momentum)
        self.stacked = nn.ParameterList(nn.Parameter(values.detach()) for values in state.parameters)
        self.state = replace(state, parameters=tuple(self.stacked))
        self._backend_name = backend
        self._runs = [shared] * len(slots)  # what each slot follows; whatever it is, where there is no member
        self.rule = UpdateRule.of(self._runs, self.network, self.names, like, ranks, examples_per_pass)
        self.backend = make_backend(backend, self.rule, like)
        evaluator = make_evaluator(backend, self.rule, like)
        self._instruments = Instruments(
            self.network, self.names, evaluator, pipeline, len(slots), ranks, examples_per_pass
        )
        self._batches = BatchSource(shared, pipeline, self.network.num_draws)
        self._chunk_length = 1  # adapted to the speed
        self._take_in([(slot, member) for slot, member in enumerate(slots) if member is not None])

    # ---- Lightning's side ------------------------------------------------------------------------------

    def configure_optimizers(self) -> ChunkOptimizer:
        """Return the one optimizer."""
        return ChunkOptimizer(self.parameter_tuple())

    def train_dataloader(self) -> Iterator[int]:
        """Return an endless clock; training ends by the members' own counters."""
        return _Clock()  # type: ignore[return-value]

    def training_step(self, _tick: int, _index: int) -> None:
        """Make one chunk of updates, and evaluate the members that are due."""
        optimizer = self.optimizers()
        optimizer.step(closure=self._advance)  # type: ignore[union-attr]
        self._evaluate()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store each member by itself, in place of the stacked parameters."""
        checkpoint["state_dict"] = {}
        checkpoint["members"] = {
            member.key: member.state(self._tensors_of(slot)) for slot, member in self._live()
        }

    # ---- members come and go ---------------------------------------------------------------------------

    @property
    def members(self) -> list[Member]:
        """Those in training, and those that have ended and are not taken out yet."""
        return [member for member in self.slots if member is not None]

    @property
    def num_empty(self) -> int:
        """Slots without a member."""
        return self.slots.count(None)

    def fill(self, members: Sequence[Member]) -> None:
        """Put members into empty slots.

        Raises
        ------
        ValueError
            If there are more of them than empty slots.
        """
        empty = [slot for slot, member in enumerate(self.slots) if member is None]
        if len(members) > len(empty):
            raise ValueError(f"{len(members)} members for {len(empty)} empty slots")
        if members:
            self._take_in(list(zip(empty, members, strict=False)))

    def take_out(self) -> list[tuple[Member, dict[str, Tensor]]]:
        """Empty the slots of members that have ended; return them with their parameters."""
        ended = [(slot, member) for slot, member in enumerate(self.slots) if member and member.has_ended]
        taken = [(member, without_velocities(self._tensors_of(slot))) for slot, member in ended]
        for slot, _ in ended:
            self.slots[slot] = None
            self.state.silence(slot)
        return taken

    def parameter_tuple(self) -> Tensors:
        """Return the stacked parameters in the order of `names`."""
        return tuple(self.stacked)

    def _live(self) -> list[tuple[int, Member]]:
        return [(slot, member) for slot, member in enumerate(self.slots) if member and not member.has_ended]

    @torch.no_grad()
    def _take_in(self, arrivals: Sequence[tuple[int, Member]]) -> None:
        for slot, member in arrivals:
            start = member.start or self._beginning(member.run)
            for name, tensor in self.state.named(self.names):
                tensor[slot] = start[name].to(tensor) if name in start else 0  # a velocity, at the start
            member.start = None  # it has moved on, and needs no memory
            self.slots[slot], self._runs[slot] = member, member.run
        like = self.stacked[0].detach()
        split = self._ranks, self._examples_per_pass
        rule = UpdateRule.of(self._runs, self.network, self.names, like, *split)
        if not self.rule.adopt(rule):
            self.rule, self.backend = rule, make_backend(self._backend_name, rule, like)
        self._rates = torch.tensor([run.optimizer.lr for run in self._runs], dtype=torch.float64)

    def _beginning(self, run: Run) -> dict[str, Tensor]:
        """Return the parameters that a run's seed draws, and the buffers before the first update."""
        parameters = self.network.initial_parameters(stream(run.seed, "init"))
        return parameters | self.network.initial_buffers(run.optimizer.batch_size)

    def _tensors_of(self, slot: int) -> dict[str, Tensor]:
        named = self.state.named(self.names)
        return {name: values.detach()[slot].cpu().clone() for name, values in named}

    # ---- the training itself ---------------------------------------------------------------------------

    def _advance(self) -> None:
        """Make updates up to the end of the chunk or the first member's next evaluation."""
        started = time.perf_counter()
        live = self._live()
        chunk_length = self._ranks.agree(lambda: self._chunk_length)  # ranks take different times
        count = min(chunk_length, *(member.num_updates_to_evaluation for _, member in live))
        positions: list[Position | None] = [None] * len(self.slots)
        for slot, member in live:
            positions[slot] = Position(member.run.seed, member.update)
        self._last_batches = self._batches.prepare(positions, count)
        rates = self._learning_rates(live, count)
        losses = self.backend.advance(self.state, self._last_batches, rates).cpu()
        is_bad = ~losses.isfinite()
        for slot, member in live if bool(is_bad.any()) else ():
            if bool(is_bad[:, slot].any()):
                self._mark_diverged(slot, member, member.update + int(is_bad[:, slot].int().argmax()))
        for _, member in live:
            member.update += count
        self.num_made += count * len(live)
        per_update = (time.perf_counter() - started) / count
        self._chunk_length = max(1, min(MAX_UPDATES_PER_CHUNK, int(_SECONDS_PER_CHUNK / per_update)))

    def _learning_rates(self, live: Sequence[tuple[int, Member]], count: int) -> Tensor:
        """Return the rates of the next updates, 0 where nobody trains: ``(count, R)``."""
        relative: dict[tuple[Any, ...], Tensor] = {}  # members that are at one point of one schedule share it
        columns = [torch.zeros(count, dtype=torch.float64)] * len(self.slots)
        for slot, member in live:
            key = member.schedule, member.num_updates, member.update
            if key not in relative:
                updates = torch.arange(member.update, member.update + count)
                relative[key] = relative_learning_rates(
                    member.schedule, updates, member.num_updates, member.run.updates_per_epoch
                )
            columns[slot] = relative[key]
        return (torch.stack(columns, dim=1) * self._rates).to(self.stacked[0])

    def _mark_diverged(self, slot: int, member: Member, update: int) -> None:
        member.diverged_at = update
        self.state.silence(slot)

    # ---- measurements ----------------------------------------------------------------------------------

    def _evaluate(self) -> None:
        """Measure the members that are due, each on its own grid."""
        groups: dict[tuple[bool, bool], list[tuple[int, Member]]] = {}
        for slot, member in enumerate(self.slots):
            if member and member.is_due:
                group = self._wants_gradients(member), member.top is not None
                groups.setdefault(group, []).append((slot, member))
        for group in sorted(groups):
            self._measure(groups[group], with_gradients=group[0])

    def _wants_gradients(self, member: Member) -> bool:
        is_last = member.update == member.num_updates
        return self.statistics == "evaluations" or (self.statistics == "end" and is_last)

    def _measure(self, chosen: Sequence[tuple[int, Member]], with_gradients: bool) -> None:
        slots, runs = [slot for slot, _ in chosen], [member.run for _, member in chosen]
        batches = self._last_batches.of_slots(slots)
        rates = self._learning_rates(chosen, 1)[0, slots]
        tops = [member.top for _, member in chosen if member.top is not None]
        known = Eigenpairs.of_runs(tops) if tops else None
        measured = self._instruments.measure(
            runs, self.state.of_slots(slots), batches, with_gradients, rates, known
        )
        for (slot, member), found in zip(chosen, measured, strict=True):
            if not math.isfinite(found.metrics["train_loss"]):
                self._mark_diverged(slot, member, member.update)
            member.recorder.record(member.update, found.metrics, found.test_correct)
            member.top = found.top


class _Clock:
    """Ticks for ever; Lightning needs something to iterate over."""

    def __iter__(self) -> Iterator[int]:
        return itertools.count()
