"""The 1,797 handwritten digits of 8×8 pixels that ship with scikit-learn (UCI, Alpaydin & Kaynak 1998).

The order of the examples is fixed: by the SHA-256 of their decimal index in scikit-learn's order, which no
version of a random generator can change. The first 1,297 train, the other 500 test. Both halves hold the
same writers, unlike UCI's own split, of which scikit-learn has the test part only.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import distribution

import numpy as np

from sgdlab.data.dataset import Arrays

NUM_TRAIN = 1297
_BRIGHTEST = 16  # the pixels count dark points in 4×4 blocks: 0 to 16


def read_digits() -> Arrays:
    """Read the images, (1297, 1, 8, 8) and (500, 1, 8, 8), their 17 levels spread over 0 to 255."""
    # The file that scikit-learn's load_digits reads, read past it: its import takes seconds in every worker.
    file = distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")
    table = np.loadtxt(str(file), delimiter=",", dtype=np.int64)
    order = sorted(range(len(table)), key=lambda index: hashlib.sha256(str(index).encode()).digest())
    pixels, labels = table[order, :-1], table[order, -1]
    images = np.rint(pixels.reshape(-1, 1, 8, 8) * (255 / _BRIGHTEST)).astype(np.uint8)
    return Arrays(images[:NUM_TRAIN], labels[:NUM_TRAIN], images[NUM_TRAIN:], labels[NUM_TRAIN:])
