"""Examples that mean nothing, shaped as those of a data set: to measure speed on, where no file is needed."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image

from sgdlab.config.datasets import Data, ImageNetData, PtbData
from sgdlab.data.dataset import Dataset
from sgdlab.data.image_files import ImageFiles, InMemory

_NUM_IMAGES = 16  # encoded ones, which come again and again
_WIDTH, _HEIGHT = 500, 375  # of most images of ImageNet


def made_up_dataset(data: Data, num_train: int, num_test: int) -> Dataset | ImageFiles:
    """Make images, normal signals or words, with labels drawn at random."""
    generator = torch.Generator().manual_seed(0)
    shape = (num_train + num_test, *data.sample_shape)
    if isinstance(data, ImageNetData):
        labels = torch.randint(0, data.num_classes, shape[:1], generator=generator)
        train, test = (InMemory(_encoded_images(count)) for count in (num_train, num_test))
        return ImageFiles(train, labels[:num_train], test, labels[num_train:], "made up")
    if isinstance(data, PtbData):
        inputs = torch.randint(0, data.num_classes, shape, generator=generator)
    elif len(data.sample_shape) == 3:
        inputs = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    else:
        inputs = torch.randn(shape, generator=generator)
    of_labels = shape if isinstance(data, PtbData) else shape[:1]
    labels = torch.randint(0, data.num_classes, of_labels, generator=generator)
    return Dataset(inputs[:num_train], labels[:num_train], inputs[num_train:], labels[num_train:], "made up")


def _encoded_images(count: int) -> list[bytes]:
    """Encode coarse noise under fine noise, a few times: as large as photographs, and as long to decode."""
    generator = np.random.default_rng(0)
    contents = []
    for _ in range(_NUM_IMAGES):
        coarse = Image.fromarray(generator.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((_WIDTH, _HEIGHT), Image.Resampling.BICUBIC))
        noisy = smooth + generator.normal(0, 12, (_HEIGHT, _WIDTH, 1))
        buffer = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
        contents.append(buffer.getvalue())
    return [contents[index % _NUM_IMAGES] for index in range(count)]
