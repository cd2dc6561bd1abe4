"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) from the pickles of their python versions.

A pickle runs code when it is read; these are read only after their md5 was found to be the published one.
"""

from __future__ import annotations

import math
import pickle
from pathlib import Path

import numpy as np

from sgdlab.data.dataset import Arrays
from sgdlab.data.files import Source, read_files

CIFAR10 = Source(
    title="CIFAR-10",
    folders=("cifar10", "cifar-10-batches-py", "cifar10/cifar-10-batches-py"),
    url="https://www.cs.toronto.edu/~kriz/",
    contents={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    },
    downloads={"cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"},
)

CIFAR100 = Source(
    title="CIFAR-100",
    folders=("cifar100", "cifar-100-python", "cifar100/cifar-100-python"),
    url="https://www.cs.toronto.edu/~kriz/",
    contents={
        "train": "16019d7e3df5f24257cddd939b257f8d",
        "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
    },
    downloads={"cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85"},
)

_IMAGES_PER_BATCH = 10_000  # of CIFAR-10


def read_cifar10(folder: Path, num_train: int) -> Arrays:
    """Read CIFAR-10: the test batch and as many training batches as hold `num_train` images, (N, 3, 32, 32).

    Raises
    ------
    UserError
        As `read_files`.
    """
    train_names = [f"data_batch_{1 + index}" for index in range(math.ceil(num_train / _IMAGES_PER_BATCH))]
    contents = read_files(CIFAR10, [*train_names, "test_batch"], folder)
    train = [_unpickle(contents[name], b"labels") for name in train_names]
    test_inputs, test_labels = _unpickle(contents["test_batch"], b"labels")
    return Arrays(
        np.concatenate([inputs for inputs, _ in train]),
        np.concatenate([labels for _, labels in train]),
        test_inputs,
        test_labels,
    )


def read_cifar100(folder: Path) -> Arrays:
    """Read CIFAR-100 with its fine labels, (50000, 3, 32, 32) and (10000, 3, 32, 32).

    Raises
    ------
    UserError
        As `read_files`.
    """
    contents = read_files(CIFAR100, ["train", "test"], folder)
    train, test = (_unpickle(contents[name], b"fine_labels") for name in ("train", "test"))
    return Arrays(*train, *test)


def _unpickle(content: bytes, labels: bytes) -> tuple[np.ndarray, np.ndarray]:
    batch = pickle.loads(content, encoding="bytes")  # written by Python 2
    return batch[b"data"].reshape(-1, 3, 32, 32), np.array(batch[labels])
