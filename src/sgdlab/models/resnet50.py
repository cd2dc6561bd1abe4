"""ResNet-50 (He et al. 2016): bottleneck blocks with batch normalisation after every convolution.

A block is 1×1, 3×3 and 1×1 convolutions, the last to four times the channels; its skip path is the identity,
or a 1×1 convolution where the shape changes; ReLU follows the sum. Where a group halves the image, the 3×3
convolution has the stride ("v1.5": the paper's is in the first 1×1; the usual recipe for ImageNet, assumed).
The stem is 7×7 with stride 2 and a 3×3 max-pool with stride 2; or, for small images, 3×3 with neither.
Initialised by He's rule; every normalisation starts with weight 1, those that end a branch too (assumed).

25,557,032 parameters with 1,000 classes of colour images.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from sgdlab.models.conv_norm import ConvLayer, ConvPass, conv_buffers, conv_parameters
from sgdlab.models.layers import Convolution, convolve_each, linear, normal_linear
from sgdlab.models.network import Network, Parameters, TrainingPass
from sgdlab.models.normalization import moved_average

_GROUPS = (3, 4, 6, 3)  # blocks of each
_EXPANSION = 4


@dataclass(frozen=True)
class _Block:
    convolutions: tuple[ConvLayer, ConvLayer, ConvLayer]
    projection: ConvLayer | None


@dataclass(frozen=True)
class ResNet50(Network):
    """`width` channels leave the stem, and enter the 3×3 convolutions of the first group."""

    num_channels: int
    num_classes: int
    width: int = 64
    stem: Literal["7x7", "3x3"] = "7x7"
    ghost_size: int | None = None  # examples that are normalised together; None: the whole batch
    convolve: Convolution = convolve_each

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw convolutions by He's rule, the last layer with gain 1; biases are 0."""
        parameters = conv_parameters(self._convolutions(), True, generator)
        num_features = self.width * 2 ** (len(_GROUPS) - 1) * _EXPANSION
        weight, bias = normal_linear(num_features, self.num_classes, 1.0, generator)
        return parameters | {"head_weight": weight, "head_bias": bias}

    @property
    def num_inseparable(self) -> int | None:
        """The examples of a ghost."""
        return self.ghost_size

    def initial_buffers(self, _batch_size: int) -> dict[str, Tensor]:
        """Return running averages."""
        return conv_buffers(self._convolutions())

    def next_buffer(self, _name: str, before: Tensor, observed: Tensor) -> Tensor:
        """Move a running average."""
        return moved_average(before, observed)

    def logits(self, parameters: Parameters, inputs: Tensor, training: TrainingPass | None = None) -> Tensor:
        """Map images ``(R, B, C, H, W)`` to ``(R, B, classes)``."""
        conv = ConvPass(parameters, self.convolve, True, self.ghost_size, training)
        hidden = torch.relu(conv(self._stem(), inputs))
        if self.stem == "7x7":
            pooled = F.max_pool2d(hidden.flatten(0, 1), 3, stride=2, padding=1)
            hidden = pooled.view(*hidden.shape[:2], *pooled.shape[1:])
        for block in self._blocks():
            first, second, third = block.convolutions
            branch = torch.relu(conv(second, torch.relu(conv(first, hidden))))
            skip = hidden if block.projection is None else conv(block.projection, hidden)
            hidden = torch.relu(skip + conv(third, branch))
        pooled = hidden.mean(dim=(-2, -1))
        return linear(pooled, parameters["head_weight"], parameters["head_bias"])

    def _stem(self) -> ConvLayer:
        kernel, stride = (7, 2) if self.stem == "7x7" else (3, 1)
        return ConvLayer("stem", self.num_channels, self.width, kernel, stride)

    def _blocks(self) -> Iterator[_Block]:
        num_inputs = self.width
        for group, num_blocks in enumerate(_GROUPS):
            num_inner = self.width * 2**group
            num_outputs = num_inner * _EXPANSION
            for index in range(num_blocks):
                name, stride = f"group{group}_block{index}", 2 if group > 0 and index == 0 else 1
                yield _Block(
                    (
                        ConvLayer(f"{name}_conv1", num_inputs, num_inner, 1),
                        ConvLayer(f"{name}_conv2", num_inner, num_inner, 3, stride),
                        ConvLayer(f"{name}_conv3", num_inner, num_outputs, 1),
                    ),
                    ConvLayer(f"{name}_skip", num_inputs, num_outputs, 1, stride) if index == 0 else None,
                )
                num_inputs = num_outputs

    def _convolutions(self) -> Iterator[ConvLayer]:
        yield self._stem()
        for block in self._blocks():
            yield from block.convolutions
            if block.projection is not None:
                yield block.projection
