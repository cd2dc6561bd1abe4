"""Oracle: each example by itself, cut out of a padded numpy array with slices."""

import numpy as np
import pytest
import torch

from sgdlab.config.datasets import Cifar10Data, Data, DigitsData, Mnist1dData
from sgdlab.data.augment import Augmentation, num_draws_of


def reference(example: np.ndarray, draws: list[float], config: Data) -> np.ndarray:
    """Crop and mirror one raw example."""
    p = config.crop_padding
    if example.ndim == 1:
        offset = int(np.floor(draws[0] * (2 * p + 1)))
        return np.pad(example, p)[offset : offset + example.size]
    row, column = (int(np.floor(draw * (2 * p + 1))) for draw in draws[:2])
    _, height, width = example.shape
    crop = np.pad(example, ((0, 0), (p, p), (p, p)))[:, row : row + height, column : column + width]
    return crop[:, :, ::-1] if config.flip and draws[2] < 0.5 else crop


@pytest.mark.parametrize(
    "config",
    [
        Cifar10Data(crop_padding=4, flip=True),
        Cifar10Data(crop_padding=4),
        Cifar10Data(flip=True),
        DigitsData(crop_padding=1, flip=True),
        DigitsData(crop_padding=9),  # more than the image is wide: some crops are black
        Mnist1dData(crop_padding=6),
    ],
)
@pytest.mark.parametrize("draw_type", [torch.float32, torch.float64])
def test_a_pack_equals_the_plain_reference(config: Data, draw_type: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    raw = torch.randint(1, 256, (11, *config.sample_shape), dtype=torch.uint8, generator=generator)
    if config.kind == "mnist1d":
        raw = raw.float()
    indices = torch.randint(11, (3, 20), generator=generator)
    draws = torch.rand(3, 20, num_draws_of(config), generator=generator, dtype=draw_type)
    result = Augmentation(config, raw)(indices, draws)
    assert result.dtype == raw.dtype
    for run in range(3):
        for position in range(20):
            example = raw[indices[run, position]].numpy()
            expected = reference(example, draws[run, position].tolist(), config)
            np.testing.assert_array_equal(result[run, position].numpy(), expected)


@pytest.mark.parametrize("draw_type", [torch.float32, torch.float64])
@pytest.mark.parametrize("padding", [1, 2, 4, 7, 50])
def test_offsets_are_equally_likely_and_never_outside(padding: int, draw_type: torch.dtype) -> None:
    config = Mnist1dData(crop_padding=padding)
    raw = torch.arange(1.0, 41.0)[None]
    largest = torch.nextafter(torch.tensor(1, dtype=draw_type), torch.tensor(0, dtype=draw_type))
    middles = (torch.arange(2 * padding + 1, dtype=draw_type) + 0.5) / (2 * padding + 1)
    draws = torch.cat([middles, torch.zeros(1, dtype=draw_type), largest[None]])[None, :, None]
    crops = Augmentation(config, raw)(torch.zeros(draws.shape[:2], dtype=torch.int64), draws)[0]
    padded = torch.nn.functional.pad(raw[0], (padding, padding))
    expected = [padded[offset : offset + 40] for offset in [*range(2 * padding + 1), 0, 2 * padding]]
    assert torch.equal(crops, torch.stack(expected))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (Cifar10Data(), 0),
        (Cifar10Data(flip=True), 3),
        (DigitsData(crop_padding=1), 3),
        (Mnist1dData(), 0),
        (Mnist1dData(crop_padding=1), 1),
    ],
)
def test_number_of_draws(config: Data, expected: int) -> None:
    assert num_draws_of(config) == expected


@pytest.mark.parametrize(("draws", "got"), [(None, "none"), (torch.zeros(2, 4, 1), r"\(2, 4, 1\)")])
def test_wrong_draws_are_refused(draws: torch.Tensor | None, got: str) -> None:
    augment = Augmentation(DigitsData(flip=True), torch.zeros(5, 1, 8, 8, dtype=torch.uint8))
    with pytest.raises(ValueError, match=rf"needs draws of shape \(2, 4, 3\), got {got}"):
        augment(torch.zeros(2, 4, dtype=torch.int64), draws)
