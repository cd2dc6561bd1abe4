"""Wide-ResNet d-k (Zagoruyko & Komodakis 2016): with batch normalisation, or with SkipInit (De & Smith 2020).

Pre-activation blocks: norm, ReLU, 3×3 convolution, norm, ReLU, 3×3 convolution. With batch normalisation the
convolutions have no biases. With SkipInit they have, there is no norm, and the branch is multiplied by a
scalar that starts at 0; so at its start every block is its skip path: the identity, or the 1×1 convolution
where the shape changes. *Regularized* SkipInit drops units before the last layer as well.

Parameters with 10 classes: batch normalisation 10-1 77,850 · 16-4 2,748,890 · 28-10 36,479,194; SkipInit
77,709 · 2,747,536 · 36,471,350.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from sgdlab.models.layers import Convolution, convolve_each, dropped, he_conv, linear, normal_linear
from sgdlab.models.network import Network, Parameters, TrainingPass
from sgdlab.models.normalization import batch_norm, moved_average, norm_buffers, norm_parameters

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
    has_norm: bool = False  # batch normalisation, instead of SkipInit
    ghost_size: int | None = None  # examples that are normalised together; None: the whole batch
    dropout: float = 0.0  # the share of units that are dropped before the last layer
    convolve: Convolution = convolve_each

    @property
    def num_features(self) -> int:
        """What the last layer reads."""
        return 4 * _STEM_CHANNELS * self.width

    @property
    def num_draws(self) -> int:
        """One for each unit that may be dropped."""
        return self.num_features if self.dropout else 0

    @property
    def num_inseparable(self) -> int | None:
        """The examples of a ghost, where there is batch normalisation."""
        return self.ghost_size if self.has_norm else 1

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw convolutions by He's rule, the last layer with gain 1; SkipInit's scalars are 0."""
        parameters: dict[str, Tensor] = {}

        def add_conv(name: str, num_inputs: int, num_outputs: int, kernel: int) -> None:
            weight, bias = he_conv(num_inputs, num_outputs, kernel, generator)
            parameters[f"{name}_weight"] = weight
            if not self.has_norm:
                parameters[f"{name}_bias"] = bias

        add_conv("stem", self.num_channels, _STEM_CHANNELS, 3)
        for block in self._blocks():
            add_conv(f"{block.name}_conv1", block.num_inputs, block.num_outputs, 3)
            add_conv(f"{block.name}_conv2", block.num_outputs, block.num_outputs, 3)
            if block.projects:
                add_conv(f"{block.name}_skip", block.num_inputs, block.num_outputs, 1)
            if not self.has_norm:
                parameters[f"{block.name}_scale"] = torch.zeros(1, dtype=torch.float64)
        for name, num_channels in self._norms():
            parameters |= norm_parameters(name, num_channels)
        weight, bias = normal_linear(self.num_features, self.num_classes, 1.0, generator)
        return parameters | {"head_weight": weight, "head_bias": bias}

    def initial_buffers(self, _batch_size: int) -> dict[str, Tensor]:
        """Return running averages, of batch normalisation."""
        return {
            name: values
            for norm, num_channels in self._norms()
            for name, values in norm_buffers(norm, num_channels).items()
        }

    def next_buffer(self, _name: str, before: Tensor, observed: Tensor) -> Tensor:
        """Move a running average."""
        return moved_average(before, observed)

    def logits(self, parameters: Parameters, inputs: Tensor, training: TrainingPass | None = None) -> Tensor:
        """Map images ``(R, B, C, H, W)`` to ``(R, B, classes)``."""
        hidden = self._conv(parameters, "stem", inputs)
        for block in self._blocks():
            hidden = self._residual(parameters, block, hidden, training)
        pooled = self._activate(parameters, "head_norm", hidden, training).mean(dim=(-2, -1))
        if self.dropout and training is not None and training.draws is not None:
            pooled = dropped(pooled, training.draws, self.dropout)
        return linear(pooled, parameters["head_weight"], parameters["head_bias"])

    def _blocks(self) -> Iterator[_Block]:
        num_inputs = _STEM_CHANNELS
        for group, group_stride in enumerate(_GROUP_STRIDES):
            num_outputs = _STEM_CHANNELS * 2**group * self.width
            for index in range((self.depth - 4) // 6):
                stride = group_stride if index == 0 else 1
                yield _Block(f"group{group}_block{index}", num_inputs, num_outputs, stride)
                num_inputs = num_outputs

    def _norms(self) -> Iterator[tuple[str, int]]:
        """Yield the name and the channels of each normalisation."""
        if self.has_norm:
            for block in self._blocks():
                yield f"{block.name}_norm1", block.num_inputs
                yield f"{block.name}_norm2", block.num_outputs
            yield "head_norm", self.num_features

    def _residual(
        self, parameters: Parameters, block: _Block, inputs: Tensor, training: TrainingPass | None
    ) -> Tensor:
        """Return skip + branch; where the shape changes, the projection sees the activated input."""
        activated = self._activate(parameters, f"{block.name}_norm1", inputs, training)
        branch = self._conv(parameters, f"{block.name}_conv1", activated, block.stride)
        branch = self._activate(parameters, f"{block.name}_norm2", branch, training)
        branch = self._conv(parameters, f"{block.name}_conv2", branch)
        skip = inputs
        if block.projects:
            skip = self._conv(parameters, f"{block.name}_skip", activated, block.stride)
        if self.has_norm:
            return skip + branch
        return skip + parameters[f"{block.name}_scale"].view(-1, 1, 1, 1, 1) * branch

    def _activate(
        self, parameters: Parameters, norm: str, inputs: Tensor, training: TrainingPass | None
    ) -> Tensor:
        if self.has_norm:
            inputs = batch_norm(inputs, parameters, norm, self.ghost_size, training)
        return torch.relu(inputs)

    def _conv(self, parameters: Parameters, name: str, inputs: Tensor, stride: int = 1) -> Tensor:
        weight = parameters[f"{name}_weight"]
        bias = weight.new_zeros(weight.shape[:2]) if self.has_norm else parameters[f"{name}_bias"]
        return self.convolve(inputs, weight, bias, stride)
