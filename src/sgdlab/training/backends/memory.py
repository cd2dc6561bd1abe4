"""The memory that a pack takes at its peak, the data apart: asked of CUDA, counted on a CPU.

Counted are the parameters, their gradients, and what automatic differentiation keeps of the activations: on a
CPU these are nearly all there is, and the kernel in C needs the parameters alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

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
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        _, gradients = update_direction(rule.objective, rule.penalties)(
            state.parameters, replace(batch, buffers=state.buffers)
        )
    shared = {tensor.untyped_storage().data_ptr() for tensor in state.tensors()}
    activations = sum(size for address, size in kept.items() if address not in shared)
    return own + sum(map(_num_bytes, gradients)) + activations


def _num_bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
