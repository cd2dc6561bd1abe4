"""All backends by name: what each can train, and how it is made.

=====================  ===================================================================================
native-256, -512       ReLU MLPs by a compiled C kernel, with vectors of so many bits (CPU)
written-out            MLPs as batched matrix products, derivatives written out
batched                automatic differentiation of all runs at once; the reference
batched-grouped        the same, with one grouped convolution for all runs
batched-unfolded       the same, with convolutions as one batched matrix product
per-run                automatic differentiation, one run after the other
vmapped                `torch.func`: one run's gradient mapped over the runs
compiled               all runs at once by `torch.compile`; slow to start
graph-…                one of the above, replayed as a CUDA graph (GPU)
=====================  ===================================================================================

Those by automatic differentiation in eager mode also train a pack whose minibatches are split, over several
devices or into parts: the objective that they differentiate is the whole minibatch's, however it is computed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from sgdlab.machine.devices import together
from sgdlab.models.layers import Convolution, convolve_grouped, convolve_unfolded
from sgdlab.training.backends.backend import Backend, Stepwise, UpdateRule
from sgdlab.training.backends.batched import batched, per_run
from sgdlab.training.backends.cuda_graph import replayed
from sgdlab.training.backends.functional import compiled, vmapped
from sgdlab.training.backends.native import native, native_evaluator, supports_native
from sgdlab.training.backends.written_out import supports_writing_out, written_out
from sgdlab.training.evaluation import BatchedEvaluator, Evaluator, SequentialEvaluator
from sgdlab.training.sharding import ShardedEvaluator


def _batched_evaluator(rule: UpdateRule, _: Tensor) -> Evaluator:
    if rule.objective.network.is_sequential:
        return SequentialEvaluator(rule.objective)
    return BatchedEvaluator(rule.objective, rule.num_runs)


@dataclass(frozen=True)
class Recipe:
    """How to make a backend, and the evaluator that goes with it."""

    make: Callable[[UpdateRule, Tensor], Backend]
    supports: Callable[[UpdateRule], bool]
    device_types: tuple[str, ...] = ("cpu", "cuda")
    make_evaluator: Callable[[UpdateRule, Tensor], Evaluator] = _batched_evaluator
    can_split: bool = False  # minibatches: over several devices, or into parts

    def serves(self, rule: UpdateRule, device: torch.device, num_devices: int) -> bool:
        """Whether the backend can train such a pack on so many such devices."""
        is_whole = num_devices == 1 and rule.examples_per_pass is None
        return (is_whole or self.can_split) and device.type in self.device_types and self.supports(rule)


def supported_backends(rule: UpdateRule, device: torch.device, num_devices: int = 1) -> list[str]:
    """Return the names of what can train such a pack there, in the order of what is likely to be fastest."""
    return [name for name, recipe in _RECIPES.items() if recipe.serves(rule, device, num_devices)]


def can_split(name: str) -> bool:
    """Whether a backend can compute a minibatch in parts, of any pack that it can train."""
    return _RECIPES[name].can_split


def make_backend(name: str, rule: UpdateRule, like: Tensor) -> Backend:
    """Make a backend; `like` has the parameters' type and device.

    Raises
    ------
    ValueError
        If the backend can't train such a pack on that device.
    """
    if not _RECIPES[name].serves(rule, like.device, rule.ranks.size):
        where = together(str(like.device), rule.ranks.size)
        raise ValueError(f"backend {name} can't train this pack on {where}")
    return _RECIPES[name].make(rule, like)


def make_evaluator(name: str, rule: UpdateRule, like: Tensor) -> Evaluator:
    """Make what evaluates a pack that the backend trains."""
    evaluator = _RECIPES[name].make_evaluator(rule, like)
    return evaluator if rule.ranks.size == 1 else ShardedEvaluator(evaluator, rule.ranks)


def _convolving(convolve: Convolution, rule: UpdateRule, like: Tensor) -> Stepwise:
    return batched(rule.with_convolution(convolve), like)


def _graphed(make: Callable[[UpdateRule, Tensor], Stepwise], rule: UpdateRule, like: Tensor) -> Stepwise:
    return replayed(make(rule, like))


def _is_convolutional(rule: UpdateRule) -> bool:
    return rule.is_convolutional


def _has_large_operations(rule: UpdateRule) -> bool:
    """Micro-batches take several places of a pack, and `per-run` has packs of one."""
    large = rule.is_convolutional or rule.objective.network.is_sequential
    return large and not rule.has_micro_batches


def _is_exact(rule: UpdateRule) -> bool:
    return rule.is_exact and rule.is_stateless


def _is_anything(_: UpdateRule) -> bool:
    return True


def _is_compilable(rule: UpdateRule) -> bool:
    names = (os.environ.get("CXX"), "c++", "g++", "clang++")
    return _is_exact(rule) and any(shutil.which(name) for name in names if name)


def _native_recipe(vector_bytes: int) -> Recipe:
    make = partial(native, vector_bytes=vector_bytes)
    return Recipe(make, supports_native, ("cpu",), partial(native_evaluator, vector_bytes=vector_bytes))


_grouped, _unfolded = partial(_convolving, convolve_grouped), partial(_convolving, convolve_unfolded)
_RECIPES = {
    "native-256": _native_recipe(vector_bytes=32),
    "native-512": _native_recipe(vector_bytes=64),
    "graph-written-out": Recipe(partial(_graphed, written_out), supports_writing_out, ("cuda",)),
    "graph-batched-grouped": Recipe(partial(_graphed, _grouped), _is_convolutional, ("cuda",)),
    "graph-batched-unfolded": Recipe(partial(_graphed, _unfolded), _is_convolutional, ("cuda",)),
    "graph-batched": Recipe(partial(_graphed, batched), _is_anything, ("cuda",)),
    "written-out": Recipe(written_out, supports_writing_out),
    "per-run": Recipe(per_run, _has_large_operations, can_split=True),
    "batched": Recipe(batched, _is_anything, can_split=True),
    "batched-grouped": Recipe(_grouped, _is_convolutional, can_split=True),
    "batched-unfolded": Recipe(_unfolded, _is_convolutional, can_split=True),
    "vmapped": Recipe(vmapped, _is_exact),
    "compiled": Recipe(compiled, _is_compilable),
}
