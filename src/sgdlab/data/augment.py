"""Random crops after zero padding, and random mirrors: one gather, driven by draws that the caller makes.

Zeros are padded to the raw example, before it is standardised, as torchvision's ``RandomCrop(padding=p)``
does on images. Each of the 2p+1 offsets along an axis is as likely; a mirror image comes every second time.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sgdlab.config.datasets import ArrayData


def num_draws_of(config: ArrayData) -> int:
    """Uniform draws that an example needs: row offset, column offset and mirror; of a signal, one offset."""
    if config.crop_padding == 0 and not config.flip:
        return 0
    return 3 if len(config.sample_shape) == 3 else 1


class Augmentation:
    """Cropped and mirrored raw training examples, for all runs of a pack at once."""

    def __init__(self, config: ArrayData, train_inputs: Tensor) -> None:
        self._num_draws, self._sample_shape = num_draws_of(config), config.sample_shape
        self._padding, self._flip = config.crop_padding, config.flip
        # A signal is an image of one channel and one row, which is neither padded nor shifted up and down.
        self._is_image = len(config.sample_shape) == 3
        channels, height, width = config.sample_shape if self._is_image else (1, 1, *config.sample_shape)
        left_right, up_down = [self._padding] * 2, [self._padding if self._is_image else 0] * 2
        images = train_inputs.view(-1, channels, height, width)
        padded = torch.nn.functional.pad(images, (*left_right, *up_down))
        self._padded = padded.flatten()
        _, _, self._padded_height, self._padded_width = padded.shape
        self._channels = torch.arange(channels, device=train_inputs.device)
        self._rows = torch.arange(height, device=train_inputs.device)
        self._columns = torch.arange(width, device=train_inputs.device)

    def __call__(self, indices: Tensor, draws: Tensor | None) -> Tensor:
        """Return raw examples (R, B, *sample_shape).

        Parameters
        ----------
        indices : Tensor
            (R, B) int64: examples of the training set, one row a run.
        draws : Tensor
            (R, B, num_draws) uniform in [0, 1).
        """
        expected = (*indices.shape, self._num_draws)
        if draws is None or draws.shape != expected:
            got = "none" if draws is None else tuple(draws.shape)
            raise ValueError(f"augmentation needs draws of shape {expected}, got {got}")
        rows = self._rows
        columns = self._offsets(draws[..., 1 if self._is_image else 0]) + self._columns  # (R, B, width)
        if self._is_image:
            rows = self._offsets(draws[..., 0]) + rows  # (R, B, height)
        if self._flip:
            columns = torch.where(draws[..., 2, None] < 0.5, columns.flip(-1), columns)
        planes = indices[..., None] * len(self._channels) + self._channels  # (R, B, channels)
        starts = (planes[..., None] * self._padded_height + rows[..., None, :]) * self._padded_width
        places = starts[..., None] + columns[..., None, None, :]  # (R, B, channels, height, width)
        return self._padded.index_select(0, places.flatten()).view(*indices.shape, *self._sample_shape)

    def _offsets(self, draws: Tensor) -> Tensor:
        """Turn uniform draws (R, B) into offsets 0, 1, …, 2p (R, B, 1); rounding never reaches 2p+1."""
        return (draws[..., None] * (2 * self._padding + 1)).long()
