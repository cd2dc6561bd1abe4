"""One update of all runs as a CUDA graph: captured once, then replayed without launching kernel by kernel."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from sgdlab.training.backends.backend import Step, Stepwise
from sgdlab.training.objective import Minibatches
from sgdlab.training.state import State

_WARM_UP_UPDATES = 3  # cuBLAS and autograd allocate during the first ones, which a capture forbids


def replayed(backend: Stepwise) -> Stepwise:
    """Return the backend with its step captured in a graph, on the first call's parameters."""
    return Stepwise(_Graphed(backend.step))


@dataclass
class _Graphed:
    step: Step
    _captured: _Captured | None = field(default=None, init=False)

    def __call__(self, state: State, batch: Minibatches, rates: Tensor) -> Tensor:
        """Make one update."""
        if self._captured is None or self._captured.addresses != _addresses(state):
            self._captured = _Captured(self.step, state, batch, rates)
        return self._captured.replay(batch, rates)


class _Captured:
    """The graph, and the fixed places where it reads and writes."""

    def __init__(self, step: Step, state: State, batch: Minibatches, rates: Tensor) -> None:
        self.addresses = _addresses(state)
        self._batch = Minibatches(**{name: tensor.clone() for name, tensor in _read(batch).items()})  # type: ignore[arg-type]
        self._rates = rates.clone()
        before = [t.detach().clone() for t in state.tensors()]
        with torch.cuda.stream(torch.cuda.Stream()):  # type: ignore[no-untyped-call]
            for _ in range(_WARM_UP_UPDATES):
                step(state, self._batch, self._rates)
        torch.cuda.synchronize()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._losses = step(state, self._batch, self._rates)
        with torch.no_grad():
            for tensor, values in zip(state.tensors(), before, strict=True):
                tensor.copy_(values)

    def replay(self, batch: Minibatches, rates: Tensor) -> Tensor:
        given = _read(batch)
        for name, place in _read(self._batch).items():
            place.copy_(given[name])
        self._rates.copy_(rates)
        self._graph.replay()
        return self._losses.clone()


def _read(batch: Minibatches) -> dict[str, Tensor]:
    given = {
        "inputs": batch.inputs,
        "labels": batch.labels,
        "draws": batch.draws,
        "starts": batch.starts,
    }
    return {name: tensor for name, tensor in given.items() if tensor is not None}


def _addresses(state: State) -> tuple[int, ...]:
    return tuple(tensor.data_ptr() for tensor in state.tensors())
