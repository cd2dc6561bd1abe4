import gzip
import hashlib
import io
import lzma
import pickle
import random
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from pydantic import TypeAdapter

from sgdlab.config.datasets import (
    Cifar10Data,
    Cifar100Data,
    Data,
    DigitsData,
    FashionMnistData,
    Mnist1dData,
    MnistData,
    Stl10Data,
)
from sgdlab.data import cifar, idx, stl10
from sgdlab.data.dataset import Dataset
from sgdlab.data.load import load_dataset
from sgdlab.errors import UserError

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


def cifar_batch(seed: int, count: int) -> tuple[bytes, np.ndarray]:
    data = np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)
    batch = {b"data": data, b"labels": [seed % 10] * count, b"batch_label": b"made by a test"}
    return pickle.dumps(batch, protocol=2), data


def test_cifar10_reads_channels_rows_columns_of_the_batches_it_needs(tmp_path, monkeypatch) -> None:
    made = {
        "data_batch_1": cifar_batch(1, 10_000),
        "data_batch_2": cifar_batch(2, 3),
        "test_batch": cifar_batch(6, 4),
    }
    (tmp_path / "cifar-10-batches-py").mkdir()
    for name, (content, _) in made.items():
        (tmp_path / "cifar-10-batches-py" / name).write_bytes(content)
    contents = cifar.CIFAR10.contents | {name: md5(content) for name, (content, _) in made.items()}
    monkeypatch.setattr(cifar, "CIFAR10", replace(cifar.CIFAR10, contents=contents))
    dataset = load_dataset(Cifar10Data(num_train=10_002, num_test=4), tmp_path)
    assert dataset.train_inputs.shape == (10_002, 3, 32, 32)
    assert dataset.train_inputs[10_001, 2, 5, 7].item() == made["data_batch_2"][1][1, 2 * 1024 + 5 * 32 + 7]
    assert dataset.train_labels[9_998:].tolist() == [1, 1, 2, 2]
    assert np.array_equal(dataset.test_inputs.numpy().reshape(4, 3072), made["test_batch"][1])
    assert dataset.test_labels.tolist() == [6] * 4


@pytest.mark.parametrize("form", ["files", "archive"])
def test_cifar100_reads_fine_labels_from_files_or_from_the_archive(tmp_path, monkeypatch, form) -> None:
    generator = np.random.default_rng(0)
    pixels = {name: generator.integers(0, 256, (5, 3072), dtype=np.uint8) for name in ("train", "test")}
    made = {
        name: pickle.dumps(
            {b"data": data, b"fine_labels": [99, 0, 7, 50, 3], b"coarse_labels": [1] * 5}, protocol=2
        )
        for name, data in pixels.items()
    }
    (tmp_path / "cifar100").mkdir()
    if form == "files":
        for name, content in made.items():
            (tmp_path / "cifar100" / f"{name}.xz").write_bytes(lzma.compress(content))
    else:
        with tarfile.open(tmp_path / "cifar100" / "cifar-100-python.tar.gz", "w:gz") as archive:
            for name, content in {"meta": b"", **made}.items():
                member = tarfile.TarInfo(f"cifar-100-python/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    contents = {name: md5(content) for name, content in made.items()}
    monkeypatch.setattr(cifar, "CIFAR100", replace(cifar.CIFAR100, contents=contents))
    dataset = load_dataset(Cifar100Data(num_train=4, num_test=3), tmp_path)
    assert dataset.train_labels.tolist() == [99, 0, 7, 50]
    assert dataset.test_labels.tolist() == [99, 0, 7]
    assert dataset.test_inputs.shape == (3, 3, 32, 32)
    assert dataset.train_inputs[3, 1, 5, 7].item() == pixels["train"][3, 1024 + 5 * 32 + 7]


def test_stl10_reads_columns_and_counts_labels_from_zero(tmp_path, monkeypatch) -> None:
    generator = np.random.default_rng(0)
    # an image as it is shown, (height, width, 3), and as the file has it: a channel's columns one by one
    shown = {half: generator.integers(0, 256, (3, 96, 96, 3), dtype=np.uint8) for half in ("train", "test")}
    labels = {"train": [10, 1, 5], "test": [2, 10, 1]}
    made = {}
    for half, images in shown.items():
        columns = b"".join(
            images[image, :, column, channel].tobytes()
            for image in range(3)
            for channel in range(3)
            for column in range(96)
        )
        made |= {f"{half}_X.bin": columns, f"{half}_y.bin": bytes(labels[half])}
    (tmp_path / "stl10_binary").mkdir()
    for name, content in made.items():
        (tmp_path / "stl10_binary" / name).write_bytes(content)
    contents = {name: md5(content) for name, content in made.items()}
    monkeypatch.setattr(stl10, "STL10", replace(stl10.STL10, contents=contents))
    dataset = load_dataset(Stl10Data(num_train=2, num_test=3), tmp_path)
    assert dataset.train_labels.tolist() == [9, 0]
    assert dataset.test_labels.tolist() == [1, 9, 0]
    assert np.array_equal(dataset.train_inputs.permute(0, 2, 3, 1).numpy(), shown["train"][:2])
    assert np.array_equal(dataset.test_inputs.permute(0, 2, 3, 1).numpy(), shown["test"])


def test_a_pickle_is_not_opened_before_its_checksum_is_right(tmp_path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path(tmp_path / "opened").write_text, ("",))

    for name in ("data_batch_1", "test_batch"):
        (tmp_path / name).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(UserError, match="does not hold the original data_batch_1 of CIFAR-10"):
        load_dataset(Cifar10Data(num_train=10), tmp_path)
    assert not (tmp_path / "opened").exists()


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


def test_real_cifar10_needs_only_the_batches_it_uses(real_data: Path) -> None:
    dataset = load_dataset(Cifar10Data(num_train=4000, num_test=1000), real_data)
    assert dataset.train_inputs.shape == (4000, 3, 32, 32)
    assert dataset.train_labels[:4].tolist() == [6, 9, 9, 4]
    assert dataset.test_labels[:4].tolist() == [3, 8, 8, 0]
    assert dataset.train_inputs[0, :, 0, 0].tolist() == [59, 62, 63]  # red, green, blue of the frog's corner


@pytest.mark.slow
def test_real_cifar10_whole(real_data: Path) -> None:
    dataset = load_dataset(Cifar10Data(), real_data)
    assert dataset.train_labels.bincount().tolist() == [5000] * 10
    assert dataset.test_labels.bincount().tolist() == [1000] * 10
    means = dataset.train_inputs.double().mean((0, 2, 3)) / 255
    assert means.tolist() == pytest.approx([0.4914, 0.4822, 0.4465], abs=5e-5)


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
