"""ResNet-9: a small residual network for small images, as the field trains it on CIFAR-10.

Its eight 3×3 convolutions, each followed by batch normalisation (or a bias) and ReLU, and a linear layer:
stem; stage 1, with a 2×2 max-pool and a residual block of two; stage 2, with a max-pool; stage 3 as stage 1.
The largest of each channel's places goes to the last layer. Initialised by He's rule.

lssr2022 says "ResNet-9 with m = 2.3M" alone. Channels 38, 76, 152 and 304, the usual 64, 128, 256 and 512
times 0.594, come nearest to that: 2,320,024 parameters with 10 classes of colour images (assumed).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from sgdlab.models.conv_norm import ConvLayer, ConvNetwork, ConvPass, conv_parameters
from sgdlab.models.layers import Convolution, convolve_each, linear, max_pool, normal_linear
from sgdlab.models.network import Parameters, TrainingPass

_RESIDUAL_STAGES = (1, 3)


@dataclass(frozen=True)
class ResNet9(ConvNetwork):
    """`channels` of the stem and of the three stages, on images of `num_channels` channels."""

    channels: tuple[int, int, int, int]
    num_channels: int
    num_classes: int
    has_norm: bool = True  # batch normalisation
    ghost_size: int | None = None  # examples that are normalised together; None: the whole batch
    convolve: Convolution = convolve_each

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw convolutions by He's rule, the last layer with gain 1; biases are 0."""
        parameters = conv_parameters(self.convolutions(), self.has_norm, generator)
        weight, bias = normal_linear(self.channels[-1], self.num_classes, 1.0, generator)
        return parameters | {"head_weight": weight, "head_bias": bias}

    def logits(self, parameters: Parameters, inputs: Tensor, training: TrainingPass | None = None) -> Tensor:
        """Map images ``(R, B, C, H, W)`` to ``(R, B, classes)``."""
        conv = ConvPass(parameters, self.convolve, self.has_norm, self.ghost_size, training)
        layers = self.convolutions()
        hidden = torch.relu(conv(next(layers), inputs))
        for stage in (1, 2, 3):
            hidden = max_pool(torch.relu(conv(next(layers), hidden)), 2)
            if stage in _RESIDUAL_STAGES:
                branch = torch.relu(conv(next(layers), hidden))
                hidden = hidden + torch.relu(conv(next(layers), branch))
        largest = max_pool(hidden, (hidden.shape[-2], hidden.shape[-1])).flatten(2)
        return linear(largest, parameters["head_weight"], parameters["head_bias"])

    def convolutions(self) -> Iterator[ConvLayer]:
        """Yield them in the order of a forward pass."""
        num_inputs = self.num_channels
        for stage, num_outputs in enumerate(self.channels):
            yield ConvLayer(f"stage{stage}_conv" if stage else "stem", num_inputs, num_outputs)
            if stage in _RESIDUAL_STAGES:
                yield ConvLayer(f"stage{stage}_residual0", num_outputs, num_outputs)
                yield ConvLayer(f"stage{stage}_residual1", num_outputs, num_outputs)
            num_inputs = num_outputs
