"""A plain convolutional network: stages of 3×3 convolutions and ReLU, each ended by a 2×2 max-pool.

The last stage is averaged over what places are left, and a linear layer reads it. Initialised by He's rule.
With batch normalisation a convolution has no bias, and is normalised before its ReLU.

The six-layer network of lssr2022 is two convolutions a stage of 32, 64 and 192 channels (assumed: the paper
says "6-layer CNN, m = 0.51M" alone): 510,250 parameters with 10 classes of colour images, 510,826 with batch
normalisation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from sgdlab.models.conv_norm import ConvLayer, ConvNetwork, ConvPass, conv_parameters
from sgdlab.models.layers import Convolution, convolve_each, linear, max_pool, normal_linear
from sgdlab.models.network import Parameters, TrainingPass


@dataclass(frozen=True)
class Cnn(ConvNetwork):
    """`channels` of each stage, on images of `num_channels` channels."""

    channels: tuple[int, ...]
    convolutions_per_stage: int
    num_channels: int
    num_classes: int
    has_norm: bool = False  # batch normalisation
    ghost_size: int | None = None  # examples that are normalised together; None: the whole batch
    convolve: Convolution = convolve_each

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw convolutions by He's rule, the last layer with gain 1; biases are 0."""
        parameters = conv_parameters(self.convolutions(), self.has_norm, generator)
        num_features = [self.num_channels, *self.channels][-1]
        weight, bias = normal_linear(num_features, self.num_classes, 1.0, generator)
        return parameters | {"head_weight": weight, "head_bias": bias}

    def logits(self, parameters: Parameters, inputs: Tensor, training: TrainingPass | None = None) -> Tensor:
        """Map images ``(R, B, C, H, W)`` to ``(R, B, classes)``."""
        conv = ConvPass(parameters, self.convolve, self.has_norm, self.ghost_size, training)
        hidden = inputs
        for index, layer in enumerate(self.convolutions()):
            hidden = torch.relu(conv(layer, hidden))
            if (index + 1) % self.convolutions_per_stage == 0:
                hidden = max_pool(hidden, 2)
        pooled = hidden.mean(dim=(-2, -1))
        return linear(pooled, parameters["head_weight"], parameters["head_bias"])

    def convolutions(self) -> Iterator[ConvLayer]:
        """Yield them stage by stage."""
        num_inputs = self.num_channels
        for stage, num_outputs in enumerate(self.channels):
            for index in range(self.convolutions_per_stage):
                yield ConvLayer(f"stage{stage}_conv{index}", num_inputs, num_outputs)
                num_inputs = num_outputs
