"""Wide-ResNet d-k (Zagoruyko & Komodakis 2016) without normalisation, with SkipInit (De & Smith 2020).

Pre-activation blocks: ReLU, 3×3 convolution, ReLU, 3×3 convolution, times a scalar that starts at 0. So at
its start every block is its skip path: the identity, or the 1×1 convolution where the shape changes.
Convolutions have biases. Parameters with 10 classes: 10-1 77,709 · 16-4 2,747,536 · 28-10 36,471,350.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from sgdlab.models.layers import Convolution, convolve_each, he_conv, linear, normal_linear
from sgdlab.models.network import Network, Parameters, TrainingPass

_STEM_CHANNELS = 16
_GROUP_STRIDES = (1, 2, 2)


@dataclass(frozen=True)
class _Block:
    name: str
    num_inputs: int
    num_outputs: int
    stride: int

    @property
    def projects(self) -> bool:
        return self.num_inputs != self.num_outputs or self.stride != 1


@dataclass(frozen=True)
class WideResNet(Network):
    """Depth 6k+4, widening factor `width`, images of `num_channels` channels."""

    depth: int
    width: int
    num_channels: int
    num_classes: int
    convolve: Convolution = convolve_each

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw convolutions by He's rule, the last layer with gain 1; each block's scalar is 0."""
        parameters: dict[str, Tensor] = {}

        def add_conv(name: str, num_inputs: int, num_outputs: int, kernel: int) -> None:
            weight, bias = he_conv(num_inputs, num_outputs, kernel, generator)
            parameters.update({f"{name}_weight": weight, f"{name}_bias": bias})

        add_conv("stem", self.num_channels, _STEM_CHANNELS, 3)
        for block in self._blocks():
            add_conv(f"{block.name}_conv1", block.num_inputs, block.num_outputs, 3)
            add_conv(f"{block.name}_conv2", block.num_outputs, block.num_outputs, 3)
            if block.projects:
                add_conv(f"{block.name}_skip", block.num_inputs, block.num_outputs, 1)
            parameters[f"{block.name}_scale"] = torch.zeros(1, dtype=torch.float64)
        weight, bias = normal_linear(4 * _STEM_CHANNELS * self.width, self.num_classes, 1.0, generator)
        return parameters | {"head_weight": weight, "head_bias": bias}

    def logits(self, parameters: Parameters, inputs: Tensor, _training: TrainingPass | None = None) -> Tensor:
        """Map images ``(R, B, C, H, W)`` to ``(R, B, classes)``."""
        hidden = self._conv(parameters, "stem", inputs)
        for block in self._blocks():
            hidden = self._residual(parameters, block, hidden)
        pooled = torch.relu(hidden).mean(dim=(-2, -1))
        return linear(pooled, parameters["head_weight"], parameters["head_bias"])

    def _blocks(self) -> Iterator[_Block]:
        num_inputs = _STEM_CHANNELS
        for group, group_stride in enumerate(_GROUP_STRIDES):
            num_outputs = _STEM_CHANNELS * 2**group * self.width
            for index in range((self.depth - 4) // 6):
                stride = group_stride if index == 0 else 1
                yield _Block(f"group{group}_block{index}", num_inputs, num_outputs, stride)
                num_inputs = num_outputs

    def _residual(self, parameters: Parameters, block: _Block, inputs: Tensor) -> Tensor:
        """Return skip + scale·branch; where the shape changes, the projection sees the activated input."""
        activated = torch.relu(inputs)
        branch = self._conv(parameters, f"{block.name}_conv1", activated, block.stride)
        branch = self._conv(parameters, f"{block.name}_conv2", torch.relu(branch))
        skip = inputs
        if block.projects:
            skip = self._conv(parameters, f"{block.name}_skip", activated, block.stride)
        scale = parameters[f"{block.name}_scale"].view(-1, 1, 1, 1, 1)
        return skip + scale * branch

    def _conv(self, parameters: Parameters, name: str, inputs: Tensor, stride: int = 1) -> Tensor:
        return self.convolve(inputs, parameters[f"{name}_weight"], parameters[f"{name}_bias"], stride)
