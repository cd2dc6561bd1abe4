"""The labelled images of STL-10 (Coates, Ng, Lee 2011) from its binary files.

An image is three channels of 96 columns of 96 pixels, and a label is 1 to 10.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sgdlab.data.dataset import Arrays
from sgdlab.data.files import Source, read_files

STL10 = Source(
    title="STL-10",
    folders=("stl10", "stl10_binary", "stl10/stl10_binary"),
    url="http://ai.stanford.edu/~acoates/stl10/",
    contents={
        "train_X.bin": "918c2871b30a85fa023e0c44e0bee87f",
        "train_y.bin": "5a34089d4802c674881badbb80307741",
        "test_X.bin": "7f263ba9f9e0b06b93213547f721ac82",
        "test_y.bin": "36f9794fa4beb8a2c72628de14fa638e",
    },
    downloads={"stl10_binary.tar.gz": "91f7769df0f17e558f3565bffb0c7dfb"},
)


def read_binaries(folder: Path) -> Arrays:
    """Read the images, (5000, 3, 96, 96) and (8000, 3, 96, 96).

    Raises
    ------
    UserError
        As `read_files`.
    """
    contents = {
        name: np.frombuffer(content, dtype=np.uint8)
        for name, content in read_files(STL10, list(STL10.contents), folder).items()
    }
    return Arrays(
        _images(contents["train_X.bin"]),
        contents["train_y.bin"] - 1,
        _images(contents["test_X.bin"]),
        contents["test_y.bin"] - 1,
    )


def _images(values: np.ndarray) -> np.ndarray:
    return values.reshape(-1, 3, 96, 96).transpose(0, 1, 3, 2)
