"""An autoencoder of linear layers (Hinton & Salakhutdinov 2006): narrowing to a code, and back in mirror.

Sigmoid units but for a linear code and a linear end: the end holds logits of the input's numbers, which
`loss=bernoulli` compares with the numbers themselves. 784-1000-500-250-30 and back has 2,837,314 parameters.

Units start with sparse weights (Martens 2010; Sutskever et al. 2013): each from 15 units of the layer below
that are drawn at random, normal with variance 1; the other weights and all biases are 0. Activations and
initialisation are assumed: smith2020's text at hand names Sutskever et al. alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from sgdlab.models.layers import linear
from sgdlab.models.network import Network, Parameters, TrainingPass

_NUM_CONNECTIONS = 15


@dataclass(frozen=True)
class Autoencoder(Network):
    """Layers of the given widths, from the input's to the code's."""

    widths: tuple[int, ...]

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw the layers from the first to the last; weights are ``(in, out)``."""
        parameters: dict[str, Tensor] = {}
        for layer, (num_inputs, num_outputs) in enumerate(self._layers()):
            parameters[f"weight{layer}"] = _sparse_normal(num_inputs, num_outputs, generator)
            parameters[f"bias{layer}"] = torch.zeros(num_outputs, dtype=torch.float64)
        return parameters

    def logits(self, parameters: Parameters, inputs: Tensor, _training: TrainingPass | None = None) -> Tensor:
        """Map ``(R, B, *sample_shape)``, flattened, to logits of its numbers ``(R, B, numbers)``."""
        hidden = inputs.flatten(2)
        code = len(self.widths) - 2  # the layer that ends in it
        end = 2 * code + 1
        for layer in range(end + 1):
            hidden = linear(hidden, parameters[f"weight{layer}"], parameters[f"bias{layer}"])
            if layer not in (code, end):
                hidden = _sigmoid(hidden)
        return hidden

    def _layers(self) -> Iterator[tuple[int, int]]:
        """Yield inputs and outputs of each layer."""
        return pairwise((*self.widths, *self.widths[-2::-1]))


def _sigmoid(inputs: Tensor) -> Tensor:
    """Return 1/(1 + e^−x). `torch.sigmoid` computes the last few elements otherwise: the last run's alone."""
    return 0.5 * (1 + torch.tanh(0.5 * inputs))


def _sparse_normal(num_inputs: int, num_outputs: int, generator: torch.Generator) -> Tensor:
    shape = (num_inputs, num_outputs)
    weight = torch.randn(shape, generator=generator, dtype=torch.float64)
    places = torch.rand(shape, generator=generator, dtype=torch.float64).argsort(dim=0)  # of a shuffle
    return weight * (places < _NUM_CONNECTIONS)
