"""Where the runs of a pack are in training: everything that an update changes, in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

from sgdlab.training.objective import Tensors

_VELOCITY = "velocity/"  # before the name of the parameter that it belongs to


@dataclass(frozen=True)
class State:
    """R runs."""

    parameters: Tensors  # each (R, …)
    velocities: Tensors = ()  # shaped as the parameters; empty without momentum
    buffers: Mapping[str, Tensor] = field(default_factory=dict)  # each (R, …): what the network carries along

    @classmethod
    def zeros(
        cls,
        parameters: Mapping[str, Tensor],
        buffers: Mapping[str, Tensor],
        num_runs: int,
        like: Tensor,
        *,
        has_momentum: bool,
    ) -> Self:
        """Return zeros for so many runs; the shapes are those of one run's."""

        def stacked(one: Tensor) -> Tensor:
            return like.new_zeros(num_runs, *one.shape)

        return cls(
            tuple(stacked(one).requires_grad_() for one in parameters.values()),
            tuple(stacked(one) for one in parameters.values()) if has_momentum else (),
            {name: stacked(one) for name, one in buffers.items()},
        )

    def of_slots(self, slots: slice | list[int]) -> State:
        """Return some runs: a slice of them in place, a list of them as a copy."""
        return State(
            tuple(p.detach()[slots].requires_grad_() for p in self.parameters),
            tuple(v[slots] for v in self.velocities),
            {name: buffer[slots] for name, buffer in self.buffers.items()},
        )

    def tensors(self) -> Iterator[Tensor]:
        """Yield all of them."""
        yield from self.parameters
        yield from self.velocities
        yield from self.buffers.values()

    def named(self, names: tuple[str, ...]) -> Iterator[tuple[str, Tensor]]:
        """Yield all of them with the names by which they are stored; `names` are the parameters'."""
        yield from zip(names, self.parameters, strict=True)
        yield from self.buffers.items()
        if self.velocities:
            yield from zip((_VELOCITY + name for name in names), self.velocities, strict=True)

    @torch.no_grad()
    def silence(self, slot: int) -> None:
        """Zero a run, so that no infinity slows the arithmetic of the others."""
        for tensor in self.tensors():
            tensor[slot] = 0


def without_velocities(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what a model is made of: its parameters and buffers."""
    return {name: tensor for name, tensor in stored.items() if not name.startswith(_VELOCITY)}
