"""Layers for a pack: R runs side by side, each with its own weights.

Linear layers are one batched matrix product. Convolutions have several ways, which differ in speed.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


def linear(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return inputs·weight + bias: ``(R, B, in)``, ``(R, in, out)``, ``(R, out)`` → ``(R, B, out)``."""
    return torch.baddbmm(bias.unsqueeze(1), inputs, weight)


def dropped(inputs: Tensor, draws: Tensor, share: float) -> Tensor:
    """Zero the units whose draw in [0, 1) is below `share`, and scale the others up by 1/(1 − share)."""
    return inputs * (draws >= share) / (1 - share)


class Convolution(Protocol):
    """A way to convolve with same padding, R runs side by side: all give the same up to rounding."""

    def __call__(self, inputs: Tensor, weight: Tensor, bias: Tensor, stride: int = 1) -> Tensor:
        """Map ``(R, B, in, H, W)``, ``(R, out, in, k, k)`` and ``(R, out)`` to ``(R, B, out, H', W')``."""
        ...


def convolve_each(inputs: Tensor, weight: Tensor, bias: Tensor, stride: int = 1) -> Tensor:
    """Convolve run by run in channels-last layout: best on a CPU; no bit depends on the neighbours."""
    runs = zip(inputs.unbind(0), weight.unbind(0), bias.unbind(0), strict=True)
    return torch.stack([_convolve(x, w, b, stride) for x, w, b in runs])


def convolve_alone(inputs: Tensor, weight: Tensor, bias: Tensor, stride: int = 1) -> Tensor:
    """Convolve one run without the copies of `convolve_each`; sums over this layout round otherwise."""
    return _convolve(inputs.squeeze(0), weight.squeeze(0), bias.squeeze(0), stride).unsqueeze(0)


def _convolve(inputs: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    channels_last = inputs.contiguous(memory_format=torch.channels_last)
    return F.conv2d(channels_last, weight, bias, stride=stride, padding=weight.shape[-1] // 2)


def convolve_grouped(inputs: Tensor, weight: Tensor, bias: Tensor, stride: int = 1) -> Tensor:
    """Convolve as one convolution with a group for each run: one launch on a GPU."""
    num_runs, padding = len(inputs), weight.shape[-1] // 2
    channels = inputs.transpose(0, 1).flatten(1, 2)
    weights, biases = weight.flatten(0, 1), bias.flatten()
    outputs = F.conv2d(channels, weights, biases, stride=stride, padding=padding, groups=num_runs)
    return outputs.view(len(outputs), num_runs, -1, *outputs.shape[2:]).transpose(0, 1)


def convolve_unfolded(inputs: Tensor, weight: Tensor, bias: Tensor, stride: int = 1) -> Tensor:
    """Convolve as one batched matrix product over unfolded patches: k² times the memory."""
    (num_runs, batch), kernel = inputs.shape[:2], weight.shape[-1]
    patches = F.unfold(inputs.flatten(0, 1), kernel, padding=kernel // 2, stride=stride)  # (R·B, in·k², L)
    columns = patches.view(num_runs, batch, *patches.shape[1:]).transpose(1, 2).flatten(2)  # (R, in·k², B·L)
    outputs = torch.baddbmm(bias.unsqueeze(2), weight.flatten(2), columns)
    height, width = (math.ceil(size / stride) for size in inputs.shape[-2:])
    return outputs.view(num_runs, -1, batch, height, width).transpose(1, 2)


def max_pool(inputs: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Take the largest of each size×size places; what is left over is dropped."""
    pooled = F.max_pool2d(inputs.flatten(0, 1), size)
    return pooled.view(*inputs.shape[:2], *pooled.shape[1:])


def normal_linear(
    num_inputs: int, num_outputs: int, gain: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw a linear layer with normal weights of variance gain²/in, ``(in, out)``, and a zero bias."""
    weight = torch.randn(num_inputs, num_outputs, generator=generator, dtype=torch.float64)
    return weight * (gain / math.sqrt(num_inputs)), torch.zeros(num_outputs, dtype=torch.float64)


def he_conv(
    num_inputs: int, num_outputs: int, kernel: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw a convolution with He's normal initialisation (fan-in) and a zero bias."""
    deviation = math.sqrt(2 / (num_inputs * kernel * kernel))
    shape = (num_outputs, num_inputs, kernel, kernel)
    weight = torch.randn(shape, generator=generator, dtype=torch.float64) * deviation
    return weight, torch.zeros(num_outputs, dtype=torch.float64)
