"""Convolutions with what follows them: a bias, or batch normalisation in its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from sgdlab.models.layers import Convolution, he_conv
from sgdlab.models.network import Network, Parameters, TrainingPass
from sgdlab.models.normalization import batch_norm, moved_average, norm_buffers, norm_parameters


@dataclass(frozen=True)
class ConvLayer:
    """A k×k convolution with same padding."""

    name: str
    num_inputs: int
    num_outputs: int
    kernel: int = 3
    stride: int = 1


def conv_parameters(
    layers: Iterable[ConvLayer], has_norm: bool, generator: torch.Generator
) -> dict[str, Tensor]:
    """Draw one run's convolutions by He's rule; then come the weights 1 and biases 0 of normalisations."""
    parameters: dict[str, Tensor] = {}
    norms: dict[str, Tensor] = {}
    for layer in layers:
        weight, bias = he_conv(layer.num_inputs, layer.num_outputs, layer.kernel, generator)
        parameters[f"{layer.name}_weight"] = weight
        if has_norm:
            norms |= norm_parameters(f"{layer.name}_norm", layer.num_outputs)
        else:
            parameters[f"{layer.name}_bias"] = bias
    return parameters | norms


def conv_buffers(layers: Iterable[ConvLayer]) -> dict[str, Tensor]:
    """Return one run's running averages, of layers that are normalised."""
    return {
        name: values
        for layer in layers
        for name, values in norm_buffers(f"{layer.name}_norm", layer.num_outputs).items()
    }


@dataclass(frozen=True)
class ConvPass:
    """What all convolutions of one forward pass have in common."""

    parameters: Parameters
    convolve: Convolution
    has_norm: bool
    ghost_size: int | None
    training: TrainingPass | None

    def __call__(self, layer: ConvLayer, inputs: Tensor) -> Tensor:
        """Convolve, and normalise or add the bias: ``(R, B, in, H, W)`` → ``(R, B, out, H', W')``."""
        weight = self.parameters[f"{layer.name}_weight"]
        if not self.has_norm:
            return self.convolve(inputs, weight, self.parameters[f"{layer.name}_bias"], layer.stride)
        outputs = self.convolve(inputs, weight, weight.new_zeros(weight.shape[:2]), layer.stride)
        return batch_norm(outputs, self.parameters, f"{layer.name}_norm", self.ghost_size, self.training)


class ConvNetwork(Network, Protocol):
    """A network whose convolutions are all followed by batch normalisation, or none is."""

    has_norm: bool
    ghost_size: int | None

    def convolutions(self) -> Iterator[ConvLayer]:
        """Yield all of them."""
        ...

    @property
    def num_inseparable(self) -> int | None:
        """The examples of a ghost, where there is batch normalisation."""
        return self.ghost_size if self.has_norm else 1

    def initial_buffers(self, _batch_size: int) -> dict[str, Tensor]:
        """Return running averages, of batch normalisation."""
        return conv_buffers(self.convolutions()) if self.has_norm else {}

    def next_buffer(self, _name: str, before: Tensor, observed: Tensor) -> Tensor:
        """Move a running average."""
        return moved_average(before, observed)
