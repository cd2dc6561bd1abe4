"""Which backend trains a pack: the fastest as measured here, setting up counted against the updates to make.

A trial makes a few updates on made-up examples. It is kept for this machine (`machine.speeds`), so a step is
tried once. No backend is tried for longer than it could gain: where little is left to train, the first that
serves is taken as it is.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from sgdlab.config.schema import Run
from sgdlab.config.shapes import part_of, step_of
from sgdlab.data.made_up import made_up_dataset
from sgdlab.data.pipeline import Pipeline, make_pipeline
from sgdlab.errors import UsageError
from sgdlab.machine.processor import processor
from sgdlab.machine.speeds import BackendSpeed, SpeedTable
from sgdlab.models.build import build_network
from sgdlab.models.network import Network
from sgdlab.training.backends.backend import UpdateRule
from sgdlab.training.backends.memory import counted_bytes, peak_bytes_on_cuda
from sgdlab.training.backends.recipes import make_backend, make_evaluator, supported_backends
from sgdlab.training.batches import UpdateBatches
from sgdlab.training.evaluation import evaluate
from sgdlab.training.state import State
from sgdlab.training.streams import stream

_WORTH_TRYING = 0.02  # of the time that training would take; all trials together
_SETUP_S = {"compiled": 40.0}  # what setting up is expected to take, before it was measured
_SHORTEST_S = 0.02  # of one measurement
_NUM_MEASUREMENTS = 3
_MAX_EXAMPLES = 1024


def choose_backend(
    runs: Sequence[Run],
    device: torch.device,
    num_updates: int,
    num_devices: int = 1,
    examples_per_pass: int | None = None,
) -> str:
    """Return the backend for a pack that still has `num_updates` to make; measure where nothing is known.

    Of those that several devices can share, the one that is fastest on one of them.
    """
    trial = Trial(tuple(runs), device, examples_per_pass)
    candidates = supported_backends(trial.rule, device, num_devices)
    if len(candidates) == 1:
        return candidates[0]
    total = num_updates * len(runs)
    table = SpeedTable(step_of(runs[0], examples_per_pass), device_name(device))
    with table.locked():
        known = {name: speed for name, speed in table.at(len(runs)).items() if name in candidates}
        spent = 0.0
        for name in candidates:
            if name in known:
                continue
            best = min((speed.total_s(total) for speed in known.values()), default=float("inf"))
            if spent + _SETUP_S.get(name, 0.0) > _WORTH_TRYING * best:
                continue
            started = time.perf_counter()
            known[name] = trial.measure(name)
            table.add(len(runs), name, known[name])
            spent += time.perf_counter() - started
    return min(known, key=lambda name: known[name].total_s(total))


def require_backend(
    name: str,
    runs: Sequence[Run],
    device: torch.device,
    num_devices: int = 1,
    examples_per_pass: int | None = None,
) -> str:
    """Return the backend that was asked for.

    Raises
    ------
    UsageError
        If it can't train these runs on so many such devices, or so few examples at a time.
    """
    rule = Trial(tuple(runs), device, examples_per_pass).rule
    supported = supported_backends(rule, device, num_devices)
    if name not in supported:
        where = device.type if num_devices == 1 else f"{num_devices} devices a run ({device.type})"
        where += f" {rule.examples_per_pass} examples at a time" if rule.examples_per_pass else ""
        raise UsageError(
            f"launcher.backend={name} can't train model={runs[0].model.kind} on {where} here; "
            f"use auto, or one of {', '.join(supported)}"
        )
    return name


def device_name(device: torch.device) -> str:
    """Name a device so that equal names are equally fast."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor()


@dataclass(frozen=True)
class Trial:
    """A pack of the given runs on made-up examples."""

    runs: tuple[Run, ...]
    device: torch.device
    examples_per_pass: int | None = None  # of a minibatch, at a time

    def measure(self, name: str) -> BackendSpeed:
        """Make a few updates with a backend."""
        if self.device.type == "cpu":
            one = self._initial_state().of_slots([0])
            num_bytes = counted_bytes(name, self.rule.of_run(0), one, self._batches(1).of_slots([0]).batch(0))
            return replace(self._timed(name), num_bytes=num_bytes * len(self.runs))
        found: list[BackendSpeed] = []
        num_bytes = peak_bytes_on_cuda(lambda: found.append(self._timed(name)), self.device)
        return replace(found[0], num_bytes=num_bytes)

    def example_s(self, name: str) -> float:
        """Return the time of one example of one run in an evaluation that goes with a backend."""
        state = self._initial_state()
        evaluator = make_evaluator(name, self.rule, state.parameters[0].detach())
        train = self._pipeline.train

        def seconds() -> float:
            start = self._clock()
            evaluate(evaluator, state, train)
            return self._clock() - start

        first = seconds()
        repeats = _NUM_MEASUREMENTS if first < 10 * _SHORTEST_S else 1
        return min(seconds() for _ in range(repeats)) / len(train.labels) / len(self.runs)

    def _timed(self, name: str) -> BackendSpeed:
        started = time.perf_counter()
        state = self._initial_state()
        like = state.parameters[0].detach()
        backend = make_backend(name, self.rule, like)

        def seconds(num_updates: int) -> float:
            batches = self._batches(num_updates)
            rates = like.new_full((num_updates, len(self.runs)), 1e-9)
            start = self._clock()
            backend.advance(state, batches, rates)
            return self._clock() - start

        seconds(1)
        setup_s = time.perf_counter() - started
        first = seconds(1)
        num_updates = min(256, max(1, int(_SHORTEST_S / first)))
        repeats = _NUM_MEASUREMENTS if first < 10 * _SHORTEST_S else 1
        best = min(seconds(num_updates) for _ in range(repeats))
        return BackendSpeed(setup_s, best / num_updates / len(self.runs), 0)

    @torch.no_grad()
    def _initial_state(self) -> State:
        run = self.runs[0]
        like = torch.zeros((), dtype=getattr(torch, run.precision), device=self.device)
        buffers = self._network.initial_buffers(run.optimizer.batch_size)
        state = State.zeros(
            self._initial, buffers, len(self.runs), like, has_momentum=run.optimizer.momentum > 0
        )
        stored = self._initial | buffers
        for name, tensor in state.named(tuple(self._initial)):
            if name in stored:
                tensor.copy_(stored[name])
        return state

    @cached_property
    def rule(self) -> UpdateRule:
        """What the pack follows."""
        like = torch.zeros((), dtype=getattr(torch, self.runs[0].precision), device=self.device)
        part = part_of(self.runs[0], self.examples_per_pass)
        return UpdateRule.of(self.runs, self._network, tuple(self._initial), like, examples_per_pass=part)

    @cached_property
    def _initial(self) -> dict[str, Tensor]:
        return self._network.initial_parameters(stream(0, "init"))

    @cached_property
    def _network(self) -> Network:
        return build_network(self.runs[0].model, self.runs[0].data)

    @cached_property
    def _pipeline(self) -> Pipeline:
        data = self.runs[0].data
        made_up = made_up_dataset(data, min(data.num_train, _MAX_EXAMPLES), 1)
        return make_pipeline(data, made_up, self.device, getattr(torch, self.runs[0].precision))

    def _batches(self, num_updates: int) -> UpdateBatches:
        generator = torch.Generator().manual_seed(1)
        num_examples = len(self._pipeline.train.labels)
        shape = (num_updates, len(self.runs), self.runs[0].optimizer.batch_size)
        indices = torch.randint(0, num_examples, shape, generator=generator).to(self.device)
        draws = None
        if self._pipeline.num_draws:
            draws = torch.rand((*shape, self._pipeline.num_draws), generator=generator).to(self.device)
        dropout = None
        if self._network.num_draws:
            dropout = torch.rand((*shape, self._network.num_draws), generator=generator).to(self.device)
        return UpdateBatches(indices, draws, self._pipeline, dropout)

    def _clock(self) -> float:
        """Tell the time: of this thread alone on a CPU, whose cores others may be using."""
        if self.device.type == "cpu":
            return time.thread_time()
        torch.cuda.synchronize(self.device)
        return time.perf_counter()
