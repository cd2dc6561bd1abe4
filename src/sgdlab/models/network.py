"""What a network is to the rest of the package: named parameters, their initial values, and one function.

Parameters are a dictionary of tensors with the run on axis 0: ``(R, …)``. A network is written for R runs
at once and makes no difference between them; R = 1 is the same path. Some networks carry buffers as well,
from update to update: running averages of a normalisation, the hidden state of a recurrent network. Those
that drop units take uniform draws for each example. So a forward pass is a function of what it is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

Parameters = Mapping[str, Tensor]
"""Name → parameter, and → buffer where the network has any, with the run on axis 0."""


@dataclass(frozen=True)
class TrainingPass:
    """What a forward pass of training takes besides its batch, and what it leaves for the buffers."""

    draws: Tensor | None = None  # (R, B, num_draws) uniform in [0, 1); None: no unit is dropped
    starts: Tensor | None = None  # (R,) bool: where a batch goes on from nothing; None: nowhere
    observed: dict[str, Tensor] = field(default_factory=dict)  # buffer → (R, …)

    def observe(self, buffer: str, value: Tensor) -> None:
        """Note what the pass says of a buffer; of several passes over a batch the first counts."""
        self.observed.setdefault(buffer, value.detach())


@runtime_checkable
class Network(Protocol):
    """A network of fixed shapes; what plain ones do without is given here."""

    @property
    def num_draws(self) -> int:
        """Uniform draws that an example takes in training."""
        return 0

    @property
    def is_sequential(self) -> bool:
        """Whether examples follow one another: from what is observed of one batch the next goes on.

        Its buffers have a place for each example on axis 1, and are 0 where they are not given.
        """
        return False

    @property
    def num_inseparable(self) -> int | None:
        """Examples that belong together in training: a minibatch is split between so many; None: nowhere.

        A network with buffers that can be split observes the mean over examples of each, in every pass.
        """
        return None if self.initial_buffers(1) else 1

    def initial_buffers(self, batch_size: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Return one run's buffers before the first update, without the run axis, in float64."""
        return {}

    def next_buffer(self, name: str, before: Tensor, observed: Tensor) -> Tensor:  # noqa: ARG002
        """Return a buffer after an update, from what it was and what the update's forward pass observed."""
        return observed

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw one run's parameters, without the run axis, in float64: every precision starts alike."""
        ...

    def logits(self, parameters: Parameters, inputs: Tensor, training: TrainingPass | None = None) -> Tensor:
        """Map inputs ``(R, B, *sample_shape)`` to logits ``(R, B, classes)``.

        Parameters
        ----------
        parameters
            And buffers.
        inputs
            One batch a run.
        training
            Given in training, where units are dropped and batches normalised by their own statistics; and
            wherever batches are read one after the other. None: each example by itself.
        """
        ...


def stack_runs(runs: Iterator[dict[str, Tensor]], dtype: torch.dtype) -> dict[str, Tensor]:
    """Stack the parameters of several runs on a new leading axis."""
    collected = list(runs)
    return {
        name: torch.stack([parameters[name] for parameters in collected]).to(dtype) for name in collected[0]
    }


def is_stateless(network: Network) -> bool:
    """Whether a forward pass takes parameters and inputs alone, in training too."""
    return network.num_draws == 0 and not network.initial_buffers(1)


def num_parameters(network: Network) -> int:
    """Count the parameters of one run."""
    parameters = network.initial_parameters(torch.Generator().manual_seed(0))
    return sum(parameter.numel() for parameter in parameters.values())
