"""Layers for a pack: R runs side by side, each with its own weights.

Linear layers are one batched matrix product. Convolutions are one call a run, in channels-last layout: on a
CPU that beats grouped and batched forms, and the bits of one run don't depend on its neighbours.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def linear(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return inputs·weight + bias: ``(R, B, in)``, ``(R, in, out)``, ``(R, out)`` → ``(R, B, out)``."""
    return torch.baddbmm(bias.unsqueeze(1), inputs, weight)


def conv2d(inputs: Tensor, weight: Tensor, bias: Tensor, stride: int = 1) -> Tensor:
    """Convolve with same padding: ``(R, B, in, H, W)``, ``(R, out, in, k, k)``, ``(R, out)``."""
    padding = weight.shape[-1] // 2
    outputs = [
        F.conv2d(x.contiguous(memory_format=torch.channels_last), w, b, stride=stride, padding=padding)
        for x, w, b in zip(inputs.unbind(0), weight.unbind(0), bias.unbind(0), strict=True)
    ]
    return torch.stack(outputs)


def uniform_linear(num_inputs: int, num_outputs: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw a linear layer as torch initialises `Linear`: uniform within ±1/√in, weight ``(in, out)``."""
    bound = 1 / math.sqrt(num_inputs)
    weight = torch.rand(num_inputs, num_outputs, generator=generator, dtype=torch.float64)
    bias = torch.rand(num_outputs, generator=generator, dtype=torch.float64)
    return (2 * weight - 1) * bound, (2 * bias - 1) * bound


def he_conv(
    num_inputs: int, num_outputs: int, kernel: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw a convolution with He's normal initialisation (fan-in) and a zero bias."""
    deviation = math.sqrt(2 / (num_inputs * kernel * kernel))
    shape = (num_outputs, num_inputs, kernel, kernel)
    weight = torch.randn(shape, generator=generator, dtype=torch.float64) * deviation
    return weight, torch.zeros(num_outputs, dtype=torch.float64)
