"""What a network is to the rest of the package: named parameters, their initial values, and one function.

Parameters are a dictionary of tensors with the run on axis 0: ``(R, …)``. A network is written for R runs
at once and makes no difference between them; R = 1 is the same path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

import torch
from torch import Tensor

Parameters = Mapping[str, Tensor]


class Network(Protocol):
    """A network of fixed shapes."""

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw one run's parameters, without the run axis, in float64: every precision starts alike."""
        ...

    def logits(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """Map inputs ``(R, B, *sample_shape)`` to logits ``(R, B, classes)``."""
        ...


def stack_runs(runs: Iterator[dict[str, Tensor]], dtype: torch.dtype) -> dict[str, Tensor]:
    """Stack the parameters of several runs on a new leading axis."""
    collected = list(runs)
    return {
        name: torch.stack([parameters[name] for parameters in collected]).to(dtype) for name in collected[0]
    }


def num_parameters(network: Network) -> int:
    """Count the parameters of one run."""
    parameters = network.initial_parameters(torch.Generator().manual_seed(0))
    return sum(parameter.numel() for parameter in parameters.values())
