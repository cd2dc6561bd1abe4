import io
from typing import get_args

import pytest
import torch
from PIL import Image

from sgdlab.config.datasets import Data, ImageNetData
from sgdlab.data.made_up import made_up_dataset
from sgdlab.data.pipeline import make_pipeline

CONFIGS = [kind() for kind in get_args(get_args(Data)[0])]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.kind)
def test_every_data_set_has_a_likeness_that_a_pipeline_takes(config) -> None:
    made = made_up_dataset(config, 6, 3)
    pipeline = make_pipeline(config, made, torch.device("cpu"), torch.float32)
    inputs, labels = pipeline.train_batch(torch.tensor([[5, 0], [1, 1]]), None)
    assert inputs.shape == (2, 2, *config.sample_shape)
    assert inputs.dtype == (torch.int64 if config.kind == "ptb" else torch.float32)
    assert labels.shape == ((2, 2, *config.sample_shape) if config.kind == "ptb" else (2, 2))
    assert 0 <= labels.min() <= labels.max() < config.num_classes
    assert len(pipeline.train.labels) == 6
    assert len(pipeline.test.labels) == 3


def test_made_up_images_are_as_large_as_most_of_imagenets() -> None:
    made = made_up_dataset(ImageNetData(), 17, 1)
    content = made.train.read(0)
    assert Image.open(io.BytesIO(content)).size == (500, 375)
    assert 50_000 < len(content) < 150_000  # on average one of ImageNet's is 110 kB
    assert content != made.train.read(1)
    assert content == made.train.read(16)
