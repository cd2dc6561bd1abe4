"""The 1,797 handwritten digits of 8×8 pixels that ship with scikit-learn (UCI, Alpaydin & Kaynak 1998).

The order of the examples is fixed: by the SHA-256 of their decimal index in scikit-learn's order, which no
version of a random generator can change. The first 1,297 train, the other 500 test. Both halves hold the
same writers, unlike UCI's own split, of which scikit-learn has the test part only.
"""

from __future__ import annotations

import hashlib

import numpy as np

from sgdlab.data.dataset import Arrays

NUM_TRAIN = 1297
_BRIGHTEST = 16  # the pixels count dark points in 4×4 blocks: 0 to 16


def read_digits() -> Arrays:
    """Read the images, (1297, 1, 8, 8) and (500, 1, 8, 8), their 17 levels spread over 0 to 255."""
    from sklearn.datasets import load_digits  # takes seconds to import

    bunch = load_digits()
    order = sorted(range(len(bunch.target)), key=lambda index: hashlib.sha256(str(index).encode()).digest())
    images = np.rint(bunch.images[order, None] * (255 / _BRIGHTEST)).astype(np.uint8)
    labels = bunch.target[order]
    return Arrays(images[:NUM_TRAIN], labels[:NUM_TRAIN], images[NUM_TRAIN:], labels[NUM_TRAIN:])
