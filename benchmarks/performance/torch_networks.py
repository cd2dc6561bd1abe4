"""The networks as one writes them in PyTorch, and how sgdlab's parameters go into them and back.

Modules are named so that a parameter of sgdlab, `NAME_weight`, is `NAME.weight` here, and a layer's `weight0`
is `layers.0.weight`. Linear layers are ``(out, in)`` here and ``(in, out)`` there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from performance.work import Work, mlp_widths


def build(work: Work) -> nn.Module:
    """Return one run's network."""
    match work.model["kind"]:
        case "mlp":
            return Mlp(mlp_widths(work))
        case "cnn":
            return Cnn(work.model["channels"])
        case "wide_resnet":
            return WideResNet(work.model["depth"], work.model["width"])
        case other:
            raise ValueError(f"there is no peer for model={other}")


def to_torch(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename and transpose sgdlab's stacked parameters ``(K, …)``."""
    return {_torch_name(name): _other_layout(values) for name, values in parameters.items()}


def to_sgdlab(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undo `to_torch`."""
    return {_sgdlab_name(name): _other_layout(values) for name, values in parameters.items()}


class Mlp(nn.Module):
    """Linear layers with ReLU between them."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(i, o) for i, o in pairwise(widths)])

    def forward(self, inputs: Tensor) -> Tensor:
        """Map ``(B, *sample_shape)`` to logits ``(B, classes)``."""
        hidden = inputs.flatten(1)
        for layer in self.layers[:-1]:
            hidden = torch.relu(layer(hidden))
        return self.layers[-1](hidden)


class Cnn(nn.Module):
    """Stages of a 3×3 convolution, ReLU and a 2×2 max-pool; then the mean over places, and a linear layer."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.stages = [f"stage{stage}_conv0" for stage in range(len(channels))]
        for name, (inputs, outputs) in zip(self.stages, pairwise((3, *channels)), strict=True):
            self.add_module(name, nn.Conv2d(inputs, outputs, 3, padding=1))
        self.head = nn.Linear(channels[-1], 10)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map images ``(B, 3, H, W)`` to logits ``(B, 10)``."""
        hidden = inputs
        for name in self.stages:
            hidden = F.max_pool2d(torch.relu(getattr(self, name)(hidden)), 2)
        return self.head(hidden.mean(dim=(2, 3)))


class WideResNet(nn.Module):
    """WRN depth-width with SkipInit: a block's branch is multiplied by a scalar that starts at 0."""

    def __init__(self, depth: int, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.blocks: list[str] = []
        channels = 16
        for group, first_stride in enumerate((1, 2, 2)):
            for index in range((depth - 4) // 6):
                stride = first_stride if index == 0 else 1
                out = 16 * 2**group * width
                name = f"group{group}_block{index}"
                self.add_module(f"{name}_conv1", nn.Conv2d(channels, out, 3, stride, 1))
                self.add_module(f"{name}_conv2", nn.Conv2d(out, out, 3, 1, 1))
                if channels != out or stride != 1:
                    self.add_module(f"{name}_skip", nn.Conv2d(channels, out, 1, stride))
                self.register_parameter(f"{name}_scale", nn.Parameter(torch.zeros(1)))
                self.blocks.append(name)
                channels = out
        self.head = nn.Linear(channels, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map images ``(B, 3, H, W)`` to logits ``(B, 10)``."""
        hidden = self.stem(inputs)
        for name in self.blocks:
            activated = torch.relu(hidden)
            branch = getattr(self, f"{name}_conv1")(activated)
            branch = getattr(self, f"{name}_conv2")(torch.relu(branch))
            project = getattr(self, f"{name}_skip", None)
            skip = hidden if project is None else project(activated)
            hidden = skip + getattr(self, f"{name}_scale") * branch
        return self.head(torch.relu(hidden).mean(dim=(2, 3)))


def _torch_name(name: str) -> str:
    if match := re.fullmatch(r"(weight|bias)(\d+)", name):
        return f"layers.{match[2]}.{match[1]}"
    return re.sub(r"_(weight|bias)$", r".\1", name)


def _sgdlab_name(name: str) -> str:
    if match := re.fullmatch(r"layers\.(\d+)\.(weight|bias)", name):
        return match[2] + match[1]
    return name.replace(".", "_")


def _other_layout(values: Tensor) -> Tensor:
    """Transpose the weights of a linear layer, (K, in, out) or (K, out, in)."""
    return values.transpose(1, 2).contiguous() if values.dim() == 3 else values
