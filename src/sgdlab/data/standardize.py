"""Raw examples to the numbers that a network sees.

``none``        pixel / 255; a signal as it is.
``dataset``     (x − mean) / std of each channel over the training examples in use.
``per_image``   (x − mean) / max(std, 1/√n) over the n values of the example itself (smith2021, appendix D).

All deviations are population ones, x a pixel from 0 to 255. The sums behind a mean and a deviation of
pixels are whole numbers and computed exactly, so that no order of summation can change a bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sgdlab.config.datasets import ArrayData

Standardize = Callable[[Tensor], Tensor]  # raw (..., *sample_shape) → the same shape in the run's dtype


def make_standardize(
    config: ArrayData, train_inputs: Tensor, device: torch.device, dtype: torch.dtype
) -> Standardize:
    """Return the map that `config.standardize` asks for; `train_inputs` (N, *sample_shape) are raw."""
    if config.standardize == "per_image":
        return PerImage(num_axes=len(config.sample_shape), dtype=dtype)
    is_image = len(config.sample_shape) == 3
    if config.standardize == "none":
        moments = [(0.0, 255.0 if is_image else 1.0)]
    elif is_image:
        moments = [_pixel_moments(channel) for channel in train_inputs.cpu().unbind(dim=1)]
    else:
        values = train_inputs.double()
        moments = [(values.mean().item(), values.std(correction=0).item())]
    return Affine.of(moments, [1, 1] if is_image else [], device, dtype)


@dataclass(frozen=True)
class Affine:
    """(x − shift) / scale, the same for every example."""

    shift: Tensor  # (channels or 1, 1, 1) of images, (1,) of signals
    scale: Tensor  # as shift

    @classmethod
    def of(
        cls,
        moments: Sequence[tuple[float, float]],
        axes: Sequence[int],
        device: torch.device,
        dtype: torch.dtype,
    ) -> Affine:
        """Take mean and deviation of each channel, which `axes` of length 1 follow in an example."""
        # A channel that never varies is only centred.
        table = torch.tensor([(mean, std or 1.0) for mean, std in moments], dtype=torch.float64)
        return cls(*table.to(device, dtype).reshape(-1, 2, *axes).unbind(dim=1))

    def __call__(self, inputs: Tensor) -> Tensor:
        """Standardise raw examples (..., *sample_shape)."""
        return (inputs.to(self.shift.dtype) - self.shift) / self.scale


@dataclass(frozen=True)
class PerImage:
    """(x − mean) / max(std, 1/√n), each example by itself.

    With S = Σx and Q = Σx² this is (n·x − S) / √max(n·Q − S², n). In float64 the numerator and what is
    under the root are exact for pixels.
    """

    num_axes: int  # of one example
    dtype: torch.dtype

    def __call__(self, inputs: Tensor) -> Tensor:
        """Standardise raw examples (..., *sample_shape)."""
        values = inputs.to(torch.float64, copy=True).flatten(start_dim=-self.num_axes)
        num_values = values.shape[-1]
        total = values.sum(dim=-1, keepdim=True)
        total_square = values.square().sum(dim=-1, keepdim=True)
        spread = (num_values * total_square - total.square()).clamp_(min=num_values).sqrt_()
        return values.mul_(num_values).sub_(total).div_(spread).to(self.dtype).view(inputs.shape)


def _pixel_moments(pixels: Tensor) -> tuple[float, float]:
    """Mean and population deviation of uint8 values, from their histogram in whole numbers."""
    counts = torch.bincount(pixels.flatten(), minlength=256).tolist()
    total = sum(value * count for value, count in enumerate(counts))
    total_square = sum(value * value * count for value, count in enumerate(counts))
    num_values = sum(counts)
    return total / num_values, math.sqrt(num_values * total_square - total * total) / num_values
