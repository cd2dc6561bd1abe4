"""Oracles: numpy in float64, which sums moments in another way, and values worked out by hand."""

import numpy as np
import pytest
import torch

from sgdlab.config.datasets import Cifar10Data, DigitsData, Mnist1dData
from sgdlab.data.standardize import PerImage, make_standardize

CPU = torch.device("cpu")


def pixels(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def test_per_image_known_value() -> None:
    # 1…12: mean 6.5, population variance (12² − 1)/12
    image = torch.arange(1, 13, dtype=torch.uint8).view(1, 3, 2, 2)
    result = PerImage(num_axes=3, dtype=torch.float64)(image)
    assert result[0, 0, 0, 0].item() == pytest.approx(-1.593255, abs=5e-7)
    assert result[0, 0, 0, 0].item() == pytest.approx(-5.5 / (143 / 12) ** 0.5, rel=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_per_image_is_numpys(dtype: torch.dtype) -> None:
    images = pixels(5, 3, 32, 32)
    result = make_standardize(Cifar10Data(standardize="per_image"), images, CPU, dtype)(images)
    x = images.numpy().astype(np.float64)
    axes = (1, 2, 3)
    expected = (x - x.mean(axes, keepdims=True)) / x.std(axes, keepdims=True)
    assert result.dtype == dtype
    # one rounding to float32, a few of numpy's in float64
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-7 if dtype == torch.float32 else 1e-12)


def test_per_image_divides_by_no_less_than_one_over_root_n() -> None:
    image = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    image[1, 0, 0, 0] = 1  # std = √(1/64 − 1/64²) is below 1/8
    flat, nearly_flat = PerImage(num_axes=3, dtype=torch.float64)(image)
    assert flat.abs().max() == 0
    assert nearly_flat[0, 0, 0].item() == (1 - 1 / 64) * 8


def test_per_image_of_a_signal_leaves_it_alone() -> None:
    signals = torch.randn(7, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    before = signals.clone()
    result = make_standardize(Mnist1dData(standardize="per_image"), signals, CPU, torch.float64)(signals)
    assert torch.equal(signals, before)
    assert torch.allclose(result.mean(1), torch.zeros(7, dtype=torch.float64), atol=1e-14)
    assert torch.allclose(result.std(1, correction=0), torch.ones(7, dtype=torch.float64), atol=1e-14)


def test_dataset_is_by_channel_over_the_training_examples() -> None:
    train, test = pixels(50, 3, 32, 32), pixels(4, 3, 32, 32, seed=1)
    train[:, 1] //= 4  # channels that differ
    result = make_standardize(Cifar10Data(), train, CPU, torch.float64)(test)
    x = train.numpy().astype(np.float64)
    mean, std = x.mean((0, 2, 3))[:, None, None], x.std((0, 2, 3))[:, None, None]
    np.testing.assert_allclose(result.numpy(), (test.numpy() - mean) / std, rtol=1e-11, atol=1e-12)


def test_dataset_only_centres_a_channel_that_never_varies() -> None:
    train = torch.full((3, 1, 8, 8), 9, dtype=torch.uint8)
    standardize = make_standardize(DigitsData(), train, CPU, torch.float32)
    assert standardize(torch.full((1, 1, 8, 8), 12, dtype=torch.uint8)).unique().tolist() == [3.0]


def test_dataset_of_signals_is_over_all_samples() -> None:
    signals = 5 + 2 * torch.randn(200, 40, generator=torch.Generator().manual_seed(0))
    result = make_standardize(Mnist1dData(standardize="dataset"), signals, CPU, torch.float64)(signals)
    x = signals.numpy().astype(np.float64)
    np.testing.assert_allclose(result.numpy(), (x - x.mean()) / x.std(), rtol=1e-12, atol=1e-13)
    assert result.shape == signals.shape


def test_none_scales_pixels_and_leaves_signals() -> None:
    images, signals = pixels(2, 1, 8, 8), torch.randn(2, 40, generator=torch.Generator().manual_seed(0))
    scaled = make_standardize(DigitsData(standardize="none"), images, CPU, torch.float64)(images)
    np.testing.assert_array_equal(scaled.numpy(), images.numpy() / 255)
    assert torch.equal(make_standardize(Mnist1dData(), signals, CPU, torch.float32)(signals), signals)
