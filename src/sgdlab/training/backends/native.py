"""ReLU MLPs by a kernel in C, compiled on this machine: no operation has an overhead, so packs may be narrow.

The kernel is compiled once for each type and vector length, in about a second, and kept in the user's cache
folder. Where there is no C compiler the other backends do the work.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from sgdlab.machine.c_compiler import NoCompilerError, load_library
from sgdlab.models.mlp import Mlp
from sgdlab.training.backends.backend import UpdateRule
from sgdlab.training.batches import UpdateBatches
from sgdlab.training.evaluation import Evaluated
from sgdlab.training.objective import Tensors
from sgdlab.training.state import State

_SOURCE = Path(__file__).parent / "kernels" / "mlp.c"
_EVALUATED_AT_A_TIME = 64  # examples: their activations stay in the core's cache
_MAX_LAYERS = 32  # as in mlp.c
_TYPES = {torch.float32: ("float", "expf", "logf"), torch.float64: ("double", "exp", "log")}


def supports_native(rule: UpdateRule) -> bool:
    """Whether it is ReLU MLPs, with the exact penalty or momentum or neither, and there is a C compiler."""
    network = rule.objective.network
    return (
        type(network) is Mlp  # one derived from it may compute something else
        and network.activation == "relu"
        and len(network.widths) <= _MAX_LAYERS
        and rule.objective.loss == "cross_entropy"
        and rule.is_exact
        and rule.descent.clip_norms is None
        and (rule.descent.momenta is None or rule.strengths is None)
        and _can_be_compiled()
    )


def native(rule: UpdateRule, like: Tensor, vector_bytes: int) -> Native:
    """Return the backend; see `supports_native`."""
    l2, strengths = rule.objective.l2, rule.strengths
    return Native(
        _kernel(rule, like, vector_bytes),
        like.new_zeros(rule.num_runs) if l2 is None else l2,
        strengths,
        rule.descent.momenta,
    )


def native_evaluator(rule: UpdateRule, like: Tensor, vector_bytes: int) -> NativeEvaluator:
    """Return the evaluator by the same kernel."""
    return NativeEvaluator(_kernel(rule, like, vector_bytes))


@dataclass(frozen=True)
class Native:
    """The updates of R runs by the compiled kernel."""

    kernel: _Kernel
    l2: Tensor  # (R,)
    strengths: Tensor | None  # (R,)
    momenta: Tensor | None  # (R,)

    def advance(self, state: State, batches: UpdateBatches, rates: Tensor) -> Tensor:
        """Make the updates; see `Backend.advance`."""
        examples, labels, rows = batches.table()
        num_updates, num_runs, batch_size = rows.shape
        losses = torch.zeros_like(rates)
        numbers = (examples, labels, rows, rates, self.l2, self.strengths, self.momenta, losses)
        changing = (state.parameters, state.velocities)
        self.kernel.call("advance", (batch_size, num_runs, num_updates), changing, numbers)
        return losses


@dataclass(frozen=True)
class NativeEvaluator:
    """Losses and hits of R runs by the compiled kernel."""

    kernel: _Kernel

    def __call__(self, state: State, inputs: Tensor, labels: Tensor) -> Evaluated:
        """Evaluate runs on the same examples; see `evaluation.Evaluator`."""
        num_runs, num_examples = len(state.parameters[0]), len(labels)
        losses = state.parameters[0].new_empty(num_runs, num_examples)
        correct = torch.empty(num_runs, num_examples, dtype=torch.bool)
        sizes = (_EVALUATED_AT_A_TIME, num_runs, num_examples)
        self.kernel.call("evaluate", sizes, (state.parameters,), (inputs.flatten(1), labels, losses, correct))
        return Evaluated.of(losses, correct)


@dataclass
class _Kernel:
    """The compiled library for MLPs of the given widths, and the scratch memory that it works in."""

    library: ctypes.CDLL
    widths: tuple[int, ...]
    like: Tensor
    vector_bytes: int
    _scratch: dict[int, Tensor] = field(default_factory=dict)

    def call(
        self,
        name: str,
        sizes: tuple[int, int, int],
        tables: Sequence[Tensors],
        numbers: Sequence[Tensor | None],
    ) -> None:
        """Call a function of mlp.c: layers, widths, sizes, tables of tensors, numbers, scratch memory.

        `sizes` starts with the examples that the kernel takes at a time.
        """
        tensors = [None if tensor is None else tensor.detach().contiguous() for tensor in numbers]
        widths = (ctypes.c_int64 * len(self.widths))(*self.widths)
        getattr(self.library, name)(
            ctypes.c_int64(len(self.widths) - 1),
            widths,
            *map(ctypes.c_int64, sizes),
            *(_table(tensors) for tensors in tables),
            *(None if tensor is None else ctypes.c_void_p(_address(tensor)) for tensor in tensors),
            ctypes.c_void_p(self._aligned_scratch(widths, sizes[0])),
        )

    def _aligned_scratch(self, widths: ctypes.Array[ctypes.c_int64], batch_size: int) -> int:
        """Return the address of zeroed memory; the kernel leaves its padding zero, so it serves again."""
        if batch_size not in self._scratch:
            size = self.library.scratch_size
            size.restype = ctypes.c_int64
            count = size(ctypes.c_int64(len(self.widths) - 1), widths, ctypes.c_int64(batch_size))
            self._scratch[batch_size] = self.like.new_zeros(count + self.vector_bytes)
        return -(-_address(self._scratch[batch_size]) // self.vector_bytes) * self.vector_bytes


def _kernel(rule: UpdateRule, like: Tensor, vector_bytes: int) -> _Kernel:
    network = rule.objective.network
    assert isinstance(network, Mlp)
    return _Kernel(_load(like.dtype, vector_bytes), network.widths, like, vector_bytes)


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


def _table(tensors: Tensors) -> ctypes.Array[ctypes.c_void_p] | None:
    return (ctypes.c_void_p * len(tensors))(*map(_address, tensors)) if tensors else None


def _address(tensor: Tensor) -> int:
    if not tensor.is_contiguous():
        raise ValueError("the kernel needs contiguous tensors")
    return tensor.data_ptr()
