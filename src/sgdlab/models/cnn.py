"""A plain convolutional network: stages of 3×3 convolutions and ReLU, each ended by a 2×2 max-pool.

The last stage is averaged over what places are left, and a linear layer reads it. Initialised by He's rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sgdlab.models.layers import Convolution, convolve_each, he_conv, linear, normal_linear
from sgdlab.models.network import Network, Parameters, TrainingPass

_KERNEL = 3


@dataclass(frozen=True)
class Cnn(Network):
    """`channels` of each stage, on images of `num_channels` channels."""

    channels: tuple[int, ...]
    convolutions_per_stage: int
    num_channels: int
    num_classes: int
    convolve: Convolution = convolve_each

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw convolutions by He's rule, the last layer with gain 1; biases are 0."""
        parameters: dict[str, Tensor] = {}
        num_inputs = self.num_channels
        for name, num_outputs in self._convolutions():
            weight, bias = he_conv(num_inputs, num_outputs, _KERNEL, generator)
            parameters |= {f"{name}_weight": weight, f"{name}_bias": bias}
            num_inputs = num_outputs
        weight, bias = normal_linear(num_inputs, self.num_classes, 1.0, generator)
        return parameters | {"head_weight": weight, "head_bias": bias}

    def logits(self, parameters: Parameters, inputs: Tensor, _training: TrainingPass | None = None) -> Tensor:
        """Map images ``(R, B, C, H, W)`` to ``(R, B, classes)``."""
        hidden = inputs
        for index, (name, _) in enumerate(self._convolutions()):
            weight, bias = parameters[f"{name}_weight"], parameters[f"{name}_bias"]
            hidden = torch.relu(self.convolve(hidden, weight, bias))
            if (index + 1) % self.convolutions_per_stage == 0:
                halved = F.max_pool2d(hidden.flatten(0, 1), 2)
                hidden = halved.view(*hidden.shape[:2], *halved.shape[1:])
        pooled = hidden.mean(dim=(-2, -1))
        return linear(pooled, parameters["head_weight"], parameters["head_bias"])

    def _convolutions(self) -> Iterator[tuple[str, int]]:
        for stage, num_outputs in enumerate(self.channels):
            for index in range(self.convolutions_per_stage):
                yield f"stage{stage}_conv{index}", num_outputs
