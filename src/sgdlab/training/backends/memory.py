"""The memory that a pack takes at its peak, the data apart: asked of CUDA, counted on a CPU.

Counted are the parameters, their gradients, the minibatch, and what automatic differentiation keeps of the
activations at any one time: on a CPU these are nearly all there is, and the kernel in C needs the parameters
alone.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from sgdlab.training.backends.backend import UpdateRule
from sgdlab.training.objective import Minibatches
from sgdlab.training.penalty import update_direction
from sgdlab.training.state import State


def peak_bytes_on_cuda(work: Callable[[], None], device: torch.device) -> int:
    """Return what the work allocates on top of what is there, at its peak."""
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work()
    torch.cuda.synchronize(device)
    return int(torch.cuda.max_memory_allocated(device) - before)


def counted_bytes(backend: str, rule: UpdateRule, state: State, batch: Minibatches) -> int:
    """Count the bytes of one update of a pack: its state, and what a minibatch takes."""
    own = sum(map(_num_bytes, state.tensors()))
    if backend.startswith("native"):
        return own
    held = _Held(state.tensors())
    given = [held.hold(tensor) for tensor in (batch.inputs, batch.labels, batch.draws) if tensor is not None]
    with saved_tensors_hooks(held.hold, lambda one: one.tensor):
        _, gradients = update_direction(rule.objective, rule.penalties)(
            state.parameters, replace(batch, buffers=state.buffers)
        )
    given.clear()
    return own + sum(map(_num_bytes, gradients)) + held.peak


class _Held:
    """The storages that are held at a time, and the bytes of most of them."""

    def __init__(self, elsewhere: Iterable[Tensor]) -> None:
        self.peak = self._num_bytes = 0
        self._counts = Counter(
            tensor.untyped_storage().data_ptr() for tensor in elsewhere
        )  # not to be counted

    def hold(self, tensor: Tensor) -> _Hold:
        """Hold a tensor for as long as what is returned lives."""
        address, size = tensor.untyped_storage().data_ptr(), tensor.untyped_storage().nbytes()
        self._counts[address] += 1
        if self._counts[address] == 1:
            self._num_bytes += size
            self.peak = max(self.peak, self._num_bytes)
        hold = _Hold(tensor)
        weakref.finalize(hold, self._release, address, size)
        return hold

    def _release(self, address: int, size: int) -> None:
        self._counts[address] -= 1
        if not self._counts[address]:
            self._num_bytes -= size


@dataclass(frozen=True)
class _Hold:
    tensor: Tensor


def _num_bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
