"""ReLU MLPs by a kernel in C, compiled on this machine: no operation has an overhead, so packs may be narrow.

The kernel is compiled once for each type and vector length, in about a second, and kept in the user's cache
folder. Where there is no C compiler the other backends do the work.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from sgdlab.machine.c_compiler import NoCompilerError, load_library
from sgdlab.models.mlp import Mlp
from sgdlab.training.backends.backend import UpdateRule
from sgdlab.training.batches import UpdateBatches
from sgdlab.training.objective import Tensors

_SOURCE = Path(__file__).with_name("mlp_updates.c")
_MAX_LAYERS = 32  # as in mlp_updates.c
_TYPES = {torch.float32: ("float", "expf", "logf"), torch.float64: ("double", "exp", "log")}


def supports_native(rule: UpdateRule) -> bool:
    """Whether the pack trains ReLU MLPs, plainly or with the exact penalty, and there is a C compiler."""
    network = rule.objective.network
    return (
        isinstance(network, Mlp)
        and network.activation == "relu"
        and len(network.widths) <= _MAX_LAYERS
        and rule.is_exact
        and _can_be_compiled()
    )


def native(rule: UpdateRule, like: Tensor, vector_bytes: int) -> Native:
    """Return the backend; see `supports_native`.

    Raises
    ------
    NoCompilerError
        If there is no working C compiler.
    """
    network = rule.objective.network
    assert isinstance(network, Mlp)
    library = _load(like.dtype, vector_bytes)
    l2, strengths = rule.objective.l2, rule.strengths
    return Native(
        library,
        network.widths,
        vector_bytes,
        like.new_zeros(rule.num_runs) if l2 is None else l2,
        strengths,
    )


@dataclass
class Native:
    """The updates of R runs by the compiled kernel."""

    library: ctypes.CDLL
    widths: tuple[int, ...]
    vector_bytes: int
    l2: Tensor  # (R,)
    strengths: Tensor | None  # (R,)
    _scratch: Tensor | None = field(default=None, init=False)

    def advance(self, parameters: Tensors, batches: UpdateBatches, rates: Tensor) -> Tensor:
        """Make the updates; see `Backend.advance`."""
        examples, labels, rows = batches.table()
        num_updates, num_runs, batch_size = rows.shape
        # what is addressed here must live until the call returns, and be contiguous
        tensors = [t.contiguous() for t in (examples, labels, rows, rates, self.l2)]
        losses = torch.zeros_like(tensors[3])
        addresses = (ctypes.c_void_p * len(parameters))(*(_address(p) for p in parameters))
        widths = (ctypes.c_int64 * len(self.widths))(*self.widths)
        sizes = (batch_size, num_runs, num_updates)
        self.library.advance(
            ctypes.c_int64(len(self.widths) - 1),
            widths,
            *map(ctypes.c_int64, sizes),
            addresses,
            *(ctypes.c_void_p(_address(tensor)) for tensor in tensors),
            None if self.strengths is None else ctypes.c_void_p(_address(self.strengths)),
            ctypes.c_void_p(_address(losses)),
            ctypes.c_void_p(self._aligned_scratch(widths, batch_size)),
        )
        return losses

    def _aligned_scratch(self, widths: ctypes.Array[ctypes.c_int64], batch_size: int) -> int:
        """Return the address of zeroed memory; the kernel leaves its padding zero, so it serves again."""
        if self._scratch is None:
            size = self.library.scratch_size
            size.restype = ctypes.c_int64
            count = size(ctypes.c_int64(len(self.widths) - 1), widths, ctypes.c_int64(batch_size))
            self._scratch = self.l2.new_zeros(count + self.vector_bytes)
        return -(-_address(self._scratch) // self.vector_bytes) * self.vector_bytes


def _load(dtype: torch.dtype, vector_bytes: int) -> ctypes.CDLL:
    real, exp, log = _TYPES[dtype]
    macros = {"REAL": real, "EXP": exp, "LOG": log, "VECTOR_BYTES": str(vector_bytes)}
    return load_library(_SOURCE, macros)


@cache
def _can_be_compiled() -> bool:
    try:
        _load(torch.float32, 32)
    except NoCompilerError as error:
        print(f"the compiled kernel can't be had, and slower ways do the work: {error}")
        return False
    return True


def _address(tensor: Tensor) -> int:
    if not tensor.is_contiguous():
        raise ValueError("the kernel needs contiguous tensors")
    return tensor.data_ptr()
