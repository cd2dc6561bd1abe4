"""Examples on their way to the network: on one device, in one floating type, for a whole pack of runs."""

from __future__ import annotations

import torch
from torch import Tensor

from sgdlab.config.datasets import Data
from sgdlab.data.augment import Augmentation, num_draws_of
from sgdlab.data.dataset import Dataset
from sgdlab.data.standardize import Standardize, make_standardize

_CHUNK = 1024  # examples standardised at once: bounds the float64 copy


class Pipeline:
    """A data set on a device, standardised, and augmented where its configuration says so.

    Augmented training images stay uint8 and are cropped, mirrored and standardised batch by batch; without
    augmentation a batch is one gather from the set that was standardised once. A run's batch depends on its
    own row of indices and draws alone, to the bit.
    """

    num_draws: int  # uniform draws in [0, 1) that a training example needs: 0 without augmentation
    train_inputs: Tensor  # (N, *sample_shape)  standardised, not augmented: for evaluation
    train_labels: Tensor  # (N,)
    test_inputs: Tensor  # (M, *sample_shape)  standardised
    test_labels: Tensor  # (M,)

    def __init__(self, config: Data, dataset: Dataset, device: torch.device, dtype: torch.dtype) -> None:
        self._standardize = make_standardize(config, dataset.train_inputs, device, dtype)
        self.train_inputs = _standardize_all(self._standardize, dataset.train_inputs, device, dtype)
        self.train_labels = dataset.train_labels.to(device)
        self.test_inputs = _standardize_all(self._standardize, dataset.test_inputs, device, dtype)
        self.test_labels = dataset.test_labels.to(device)
        self.num_draws = num_draws_of(config)
        self._sample_shape = config.sample_shape
        self._augment: Augmentation | None = None
        if self.num_draws:
            self._augment = Augmentation(config, dataset.train_inputs.to(device))

    def train_batch(self, indices: Tensor, draws: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return inputs (R, B, *sample_shape) and labels (R, B) of one minibatch a run.

        Parameters
        ----------
        indices : Tensor
            (R, B) int64: examples of the training set, one row a run.
        draws : Tensor or None
            (R, B, num_draws) uniform in [0, 1); ignored without augmentation.
        """
        labels = self.train_labels[indices]
        if self._augment is not None:
            return self._standardize(self._augment(indices, draws)), labels
        # index_select copies rows: two to five times faster than train_inputs[indices] on a CPU
        inputs = self.train_inputs.index_select(0, indices.flatten())
        return inputs.view(*indices.shape, *self._sample_shape), labels


def _standardize_all(
    standardize: Standardize, inputs: Tensor, device: torch.device, dtype: torch.dtype
) -> Tensor:
    result = torch.empty(inputs.shape, dtype=dtype, device=device)
    for start in range(0, len(inputs), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        result[chunk] = standardize(inputs[chunk].to(device))
    return result
