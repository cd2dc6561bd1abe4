"""One update of all runs as a CUDA graph: captured once, then replayed without launching kernel by kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sgdlab.training.backends.backend import Step, Stepwise
from sgdlab.training.objective import Minibatches, Tensors

_WARM_UP_UPDATES = 3  # cuBLAS and autograd allocate during the first ones, which a capture forbids


def replayed(backend: Stepwise) -> Stepwise:
    """Return the backend with its step captured in a graph, on the first call's parameters."""
    return Stepwise(_Graphed(backend.step))


@dataclass
class _Graphed:
    step: Step
    _captured: _Captured | None = field(default=None, init=False)

    def __call__(self, parameters: Tensors, batch: Minibatches, rates: Tensor) -> Tensor:
        """Make one update."""
        if self._captured is None or self._captured.addresses != _addresses(parameters):
            self._captured = _Captured(self.step, parameters, batch, rates)
        return self._captured.replay(batch, rates)


class _Captured:
    """The graph, and the fixed places where it reads and writes."""

    def __init__(self, step: Step, parameters: Tensors, batch: Minibatches, rates: Tensor) -> None:
        self.addresses = _addresses(parameters)
        self._batch = Minibatches(batch.inputs.clone(), batch.labels.clone())
        self._rates = rates.clone()
        before = [p.detach().clone() for p in parameters]
        with torch.cuda.stream(torch.cuda.Stream()):  # type: ignore[no-untyped-call]
            for _ in range(_WARM_UP_UPDATES):
                step(parameters, self._batch, self._rates)
        torch.cuda.synchronize()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._losses = step(parameters, self._batch, self._rates)
        with torch.no_grad():
            for parameter, values in zip(parameters, before, strict=True):
                parameter.copy_(values)

    def replay(self, batch: Minibatches, rates: Tensor) -> Tensor:
        self._batch.inputs.copy_(batch.inputs)
        self._batch.labels.copy_(batch.labels)
        self._rates.copy_(rates)
        self._graph.replay()
        return self._losses.clone()


def _addresses(parameters: Sequence[Tensor]) -> tuple[int, ...]:
    return tuple(p.data_ptr() for p in parameters)
