"""A multilayer perceptron: linear layers with biases and one activation between them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from sgdlab.models.layers import linear, uniform_linear
from sgdlab.models.network import Parameters

_ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "gelu": F.gelu}


@dataclass(frozen=True)
class Mlp:
    """Layers of the given widths, the input's and the classes' included; softmax is the loss's affair."""

    widths: tuple[int, ...]
    activation: Literal["relu", "tanh", "gelu"] = "relu"

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw each layer as torch initialises `Linear`; weights are ``(in, out)``."""
        parameters: dict[str, Tensor] = {}
        for layer, (num_inputs, num_outputs) in enumerate(pairwise(self.widths)):
            weight, bias = uniform_linear(num_inputs, num_outputs, generator)
            parameters |= {f"weight{layer}": weight, f"bias{layer}": bias}
        return parameters

    def logits(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """Map ``(R, B, *sample_shape)``, flattened, to ``(R, B, classes)``."""
        activate = _ACTIVATIONS[self.activation]
        hidden = inputs.flatten(2)
        last = len(self.widths) - 2
        for layer in range(last):
            hidden = activate(linear(hidden, parameters[f"weight{layer}"], parameters[f"bias{layer}"]))
        return linear(hidden, parameters[f"weight{last}"], parameters[f"bias{last}"])
