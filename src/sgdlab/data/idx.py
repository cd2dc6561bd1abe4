"""MNIST and Fashion-MNIST from their original idx files.

An idx file is 0, 0, a type byte, the number of axes, the length of each axis as a big-endian 32-bit
integer, and then the values, last axis fastest. All eight files hold unsigned bytes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sgdlab.data.dataset import Arrays
from sgdlab.data.files import Source, read_files

MNIST = Source(
    title="MNIST",
    folders=("mnist", "MNIST/raw"),
    url="https://ossci-datasets.s3.amazonaws.com/mnist/",
    contents={
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    downloads={
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    },
)

FASHION_MNIST = Source(
    title="Fashion-MNIST",
    folders=("fashion-mnist", "FashionMNIST/raw"),
    url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    contents={
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
    downloads={
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    },
)


def read_idx_files(source: Source, folder: Path) -> Arrays:
    """Read the four files of `source`: images (N, 1, 28, 28) and labels (N,).

    Raises
    ------
    UserError
        As `read_files`.
    """
    contents = read_files(source, list(source.contents), folder)
    return Arrays(
        parse_idx(contents["train-images-idx3-ubyte"])[:, None],
        parse_idx(contents["train-labels-idx1-ubyte"]),
        parse_idx(contents["t10k-images-idx3-ubyte"])[:, None],
        parse_idx(contents["t10k-labels-idx1-ubyte"]),
    )


def parse_idx(content: bytes) -> np.ndarray:
    """Return the unsigned bytes of an idx file in its own shape."""
    num_axes = content[3]
    shape = np.frombuffer(content, dtype=">i4", count=num_axes, offset=4)
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * num_axes).reshape(shape)
