import hashlib
import io
import lzma
import pickle
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sgdlab.config.datasets import Cifar10Data, Cifar100Data
from sgdlab.data import cifar
from sgdlab.data.load import load_dataset
from sgdlab.errors import UserError


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


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
