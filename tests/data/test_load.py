import gzip
import hashlib
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from pydantic import TypeAdapter

from sgdlab.config.datasets import (
    Data,
    DigitsData,
    FashionMnistData,
    Mnist1dData,
    MnistData,
)
from sgdlab.data import idx
from sgdlab.data.dataset import Dataset
from sgdlab.data.load import load_dataset

NO_FOLDER = Path("/nonexistent")  # digits and MNIST-1D ask for no file
CONF = Path(__file__).parents[2] / "conf" / "data"


# ---- MNIST-1D and digits --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def signals() -> Dataset:
    return load_dataset(Mnist1dData(), NO_FOLDER)


def test_mnist1d_is_the_published_one(signals: Dataset) -> None:
    assert signals.train_inputs.shape == (4000, 40)
    assert signals.test_inputs.shape == (1000, 40)
    assert signals.train_inputs.dtype == torch.float32
    assert signals.train_labels[:10].tolist() == [2, 6, 4, 5, 6, 6, 6, 0, 3, 1]
    labels = torch.cat([signals.train_labels, signals.test_labels])
    assert labels.bincount().tolist() == [500] * 10
    everything = torch.cat([signals.train_inputs, signals.test_inputs]).double()
    assert everything.mean().item() == pytest.approx(0, abs=1e-6)  # its maker standardised it as a whole
    assert everything.std(correction=0).item() == pytest.approx(1, abs=1e-6)


def test_mnist1d_is_always_the_same_and_leaves_the_global_generators_alone(signals: Dataset) -> None:
    random.seed(7)
    np.random.seed(7)  # noqa: NPY002
    states = random.getstate(), str(np.random.get_state()), torch.get_rng_state()  # noqa: NPY002
    again = load_dataset(Mnist1dData(num_train=40, num_test=10), NO_FOLDER)
    assert random.getstate() == states[0]
    assert str(np.random.get_state()) == states[1]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[2])
    assert torch.equal(again.train_inputs, signals.train_inputs[:40])
    assert torch.equal(again.test_labels, signals.test_labels[:10])
    assert again.checksum != signals.checksum


def test_digits_are_scikit_learns_spread_over_bytes() -> None:
    from sklearn.datasets import load_digits

    dataset = load_dataset(DigitsData(), NO_FOLDER)
    assert dataset.train_inputs.shape == (1297, 1, 8, 8)
    assert dataset.test_inputs.shape == (500, 1, 8, 8)
    assert dataset.train_inputs.dtype == torch.uint8
    images = torch.cat([dataset.train_inputs, dataset.test_inputs]).flatten(1)
    assert sorted(images.unique().tolist()) == [
        0, 16, 32, 48, 64, 80, 96, 112, 128, 143, 159, 175, 191, 207, 223, 239, 255,
    ]  # fmt: skip
    labels = torch.cat([dataset.train_labels, dataset.test_labels])
    bunch = load_digits()
    ours = sorted(zip((images.double() * 16 / 255).round().int().tolist(), labels.tolist(), strict=True))
    assert ours == sorted(zip(bunch.data.astype(int).tolist(), bunch.target.tolist(), strict=True))


def test_digits_split_never_changes() -> None:
    # A difference here means that every stored run on digits was trained on other examples.
    assert load_dataset(DigitsData(), NO_FOLDER).checksum == (
        "5bd8d0cd3e2bc64746704d63e7a3fc83aa63be7d20954213373c320a8285f142"
    )


def test_digits_test_on_the_same_images_whatever_the_training_set() -> None:
    whole, part = load_dataset(DigitsData(), NO_FOLDER), load_dataset(DigitsData(num_train=256), NO_FOLDER)
    assert torch.equal(part.train_inputs, whole.train_inputs[:256])
    assert torch.equal(part.test_inputs, whole.test_inputs)


# ---- the original format, made here ---------------------------------------------------------------------


def idx_file(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(length.to_bytes(4, "big") for length in array.shape)
    return header + array.tobytes()


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@pytest.mark.parametrize(
    ("config", "name", "below"),
    [
        (MnistData(num_train=5, num_test=3), "MNIST", "mnist"),
        (FashionMnistData(num_train=5, num_test=3), "FASHION_MNIST", "fashion-mnist"),
    ],
)
def test_idx_files_are_read_as_written(tmp_path, monkeypatch, config, name, below) -> None:
    generator = np.random.default_rng(0)
    arrays = {
        "train-images-idx3-ubyte": generator.integers(0, 256, (6, 28, 28), dtype=np.uint8),
        "train-labels-idx1-ubyte": np.array([9, 8, 7, 6, 5, 4], dtype=np.uint8),
        "t10k-images-idx3-ubyte": generator.integers(0, 256, (4, 28, 28), dtype=np.uint8),
        "t10k-labels-idx1-ubyte": np.array([0, 1, 2, 3], dtype=np.uint8),
    }
    (tmp_path / below).mkdir()
    for file_name, array in arrays.items():
        (tmp_path / below / f"{file_name}.gz").write_bytes(gzip.compress(idx_file(array), mtime=0))
    contents = {file_name: md5(idx_file(array)) for file_name, array in arrays.items()}
    monkeypatch.setattr(idx, name, replace(getattr(idx, name), contents=contents))
    dataset = load_dataset(config, tmp_path)
    assert np.array_equal(dataset.train_inputs.numpy(), arrays["train-images-idx3-ubyte"][:5, None])
    assert dataset.train_labels.tolist() == [9, 8, 7, 6, 5]
    assert np.array_equal(dataset.test_inputs.numpy(), arrays["t10k-images-idx3-ubyte"][:3, None])
    assert dataset.test_labels.tolist() == [0, 1, 2]


# ---- the real files -------------------------------------------------------------------------------------


def test_real_mnist(real_data: Path) -> None:
    dataset = load_dataset(MnistData(), real_data)
    assert dataset.train_inputs.shape == (60_000, 1, 28, 28)
    assert dataset.test_inputs.shape == (10_000, 1, 28, 28)
    assert dataset.train_labels[:4].tolist() == [5, 0, 4, 1]
    assert dataset.test_labels[:4].tolist() == [7, 2, 1, 0]
    # the mean and deviation that every tutorial quotes
    assert dataset.train_inputs.double().mean().item() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert dataset.train_inputs.double().std().item() / 255 == pytest.approx(0.3081, abs=5e-5)


def test_real_fashion_mnist(real_data: Path) -> None:
    dataset = load_dataset(FashionMnistData(), real_data)
    assert dataset.train_inputs.shape == (60_000, 1, 28, 28)
    assert dataset.train_labels.bincount().tolist() == [6000] * 10
    assert dataset.test_labels.bincount().tolist() == [1000] * 10
    assert dataset.train_labels[:4].tolist() == [9, 0, 0, 3]
    assert dataset.train_inputs.double().mean().item() / 255 == pytest.approx(0.2860, abs=5e-5)


# ---- conf/data ------------------------------------------------------------------------------------------


def test_every_data_set_has_a_file_that_the_schema_takes() -> None:
    files = {path.stem: yaml.safe_load(path.read_text()) for path in CONF.glob("*.yaml")}
    assert files.keys() == {
        *("mnist1d", "digits", "mnist", "fashion_mnist", "cifar10"),
        *("cifar100", "stl10", "tiny_imagenet", "imagenet", "ptb"),
    }
    configs = {name: TypeAdapter(Data).validate_python(values) for name, values in files.items()}
    assert all(config.kind == name for name, config in configs.items())
    assert configs["fashion_mnist"].standardize == "per_image"
    for name in ("cifar10", "cifar100"):
        assert (configs[name].crop_padding, configs[name].flip) == (4, True)
