"""Examples that mean nothing, shaped as those of a data set: to measure speed on, where no file is needed."""

from __future__ import annotations

import torch

from sgdlab.config.datasets import Data
from sgdlab.data.dataset import Dataset


def made_up_dataset(data: Data, num_train: int, num_test: int) -> Dataset:
    """Make uint8 images, or normal signals, with labels drawn at random."""
    generator = torch.Generator().manual_seed(0)
    shape = (num_train + num_test, *data.sample_shape)
    if len(data.sample_shape) == 3:
        inputs = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    else:
        inputs = torch.randn(shape, generator=generator)
    labels = torch.randint(0, data.num_classes, shape[:1], generator=generator)
    return Dataset(inputs[:num_train], labels[:num_train], inputs[num_train:], labels[num_train:], "made up")
