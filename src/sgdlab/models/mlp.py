"""A multilayer perceptron: linear layers with biases and one activation between them.

Weights start normal with variance gain²/fan-in, biases at 0: He's gain √2 where a ReLU-like activation
follows, 1 before tanh and at the last layer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from sgdlab.models.layers import linear, normal_linear
from sgdlab.models.network import Network, Parameters, TrainingPass


def _gelu(inputs: Tensor) -> Tensor:
    """Return x·Φ(x). `F.gelu` computes the last few elements otherwise, which only the last run has."""
    return 0.5 * inputs * (1 + torch.erf(inputs * math.sqrt(0.5)))


_ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "gelu": _gelu}


@dataclass(frozen=True)
class Mlp(Network):
    """Layers of the given widths, the input's and the classes' included; softmax is the loss's affair."""

    widths: tuple[int, ...]
    activation: Literal["relu", "tanh", "gelu"] = "relu"

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw the layers from the first to the last; weights are ``(in, out)``."""
        parameters: dict[str, Tensor] = {}
        hidden_gain = 1.0 if self.activation == "tanh" else math.sqrt(2)
        for layer, (num_inputs, num_outputs) in enumerate(pairwise(self.widths)):
            gain = 1.0 if layer == len(self.widths) - 2 else hidden_gain
            weight, bias = normal_linear(num_inputs, num_outputs, gain, generator)
            parameters |= {f"weight{layer}": weight, f"bias{layer}": bias}
        return parameters

    def logits(self, parameters: Parameters, inputs: Tensor, _training: TrainingPass | None = None) -> Tensor:
        """Map ``(R, B, *sample_shape)``, flattened, to ``(R, B, classes)``."""
        activate = _ACTIVATIONS[self.activation]
        hidden = inputs.flatten(2)
        last = len(self.widths) - 2
        for layer in range(last):
            hidden = activate(linear(hidden, parameters[f"weight{layer}"], parameters[f"bias{layer}"]))
        return linear(hidden, parameters[f"weight{last}"], parameters[f"bias{last}"])
