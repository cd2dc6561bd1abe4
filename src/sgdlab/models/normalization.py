"""Batch normalisation of R runs side by side, by whole batches or by ghosts (Hoffer et al. 2017).

In training a batch of B examples is normalised in ghosts of g: each by its own mean and variance over its
examples and places. So the noise of the statistics doesn't change with B (smith2020, §3). Running averages
move once an update, to the mean over its ghosts, by a tenth (assumed: torch's default); their variances are
unbiased. In evaluation they alone count, and an example's output doesn't depend on the others.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sgdlab.models.network import Parameters, TrainingPass

_EPSILON = 1e-5
_NEW_SHARE = 0.1


def norm_parameters(name: str, num_channels: int) -> dict[str, Tensor]:
    """Return one run's weight and bias, 1 and 0."""
    weight = torch.ones(num_channels, dtype=torch.float64)
    return {f"{name}_weight": weight, f"{name}_bias": torch.zeros_like(weight)}


def norm_buffers(name: str, num_channels: int) -> dict[str, Tensor]:
    """Return one run's running mean and variance, 0 and 1."""
    mean = torch.zeros(num_channels, dtype=torch.float64)
    return {f"{name}_mean": mean, f"{name}_var": torch.ones_like(mean)}


def moved_average(before: Tensor, observed: Tensor) -> Tensor:
    """Return a running average after an update."""
    return before + _NEW_SHARE * (observed - before)


def batch_norm(
    inputs: Tensor, parameters: Parameters, name: str, ghost_size: int | None, training: TrainingPass | None
) -> Tensor:
    """Normalise channels, then scale and shift them: ``(R, B, C, H, W)`` → the same.

    Parameters
    ----------
    inputs
        Of R runs.
    parameters
        With the layer's ``(R, C)`` weight, bias, and running mean and variance.
    name
        Of the layer.
    ghost_size
        g; None: the whole batch. Where g doesn't divide B, the examples left over are a ghost of their own.
    training
        None in evaluation. It observes the statistics.
    """
    weight, bias = parameters[f"{name}_weight"], parameters[f"{name}_bias"]
    if training is None:
        mean, var = parameters[f"{name}_mean"], parameters[f"{name}_var"]
        scale = weight * torch.rsqrt(var + _EPSILON)
        return inputs * _over_places(scale) + _over_places(bias - mean * scale)
    batch_size = inputs.shape[1]
    size = min(ghost_size or batch_size, batch_size)
    whole = batch_size // size * size
    parts = [part for part in torch.split(inputs, [whole, batch_size - whole], dim=1) if part.shape[1]]
    found = [_normalise_ghosts(part, weight, bias, min(size, part.shape[1])) for part in parts]
    for place, statistic in enumerate(("mean", "var"), start=1):
        ghosts = torch.cat([of_part[place] for of_part in found], dim=1)
        training.observe(f"{name}_{statistic}", ghosts.mean(dim=1))
    outputs = [of_part[0] for of_part in found]
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)


def _over_places(of_channels: Tensor) -> Tensor:
    return of_channels[:, None, :, None, None]


def _normalise_ghosts(
    inputs: Tensor, weight: Tensor, bias: Tensor, size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return outputs ``(R, B, C, H, W)``, and means and unbiased variances of each ghost ``(R, G, C)``.

    Every ghost of every run has channels of its own in one call of torch's kernel.
    """
    num_runs, batch_size, num_channels, *places = inputs.shape
    num_ghosts = batch_size // size
    ghosts = inputs.reshape(num_runs, num_ghosts, size, num_channels, *places)
    stacked = ghosts.permute(2, 0, 1, 3, 4, 5).reshape(size, -1, *places)
    wide = [values.unsqueeze(1).expand(-1, num_ghosts, -1).flatten() for values in (weight, bias)]
    outputs, means, deviations = torch.native_batch_norm(
        stacked, wide[0], wide[1], None, None, training=True, momentum=0.0, eps=_EPSILON
    )
    shape = (num_runs, num_ghosts, num_channels)
    num = stacked.numel() // stacked.shape[1]
    variances = (deviations.detach().square().reciprocal() - _EPSILON) * (num / max(1, num - 1))
    normalised = outputs.view(size, *shape, *places).permute(1, 2, 0, 3, 4, 5)
    return normalised.reshape(inputs.shape), means.detach().view(shape), variances.view(shape)
