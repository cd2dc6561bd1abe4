"""MNIST-1D (Greydanus 2020): synthetic signals of 40 samples, made by its own package in about a second.

Each signal is a smooth template of a digit, shifted, scaled, sheared and given noise. Default arguments:
seed 42, 4,000 training and 1,000 test signals, standardised as a whole.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from sgdlab.data.dataset import Arrays


def make_signals() -> Arrays:
    """Make the signals, (4000, 40) and (1000, 40) in float32: always the same ones."""
    from mnist1d.data import make_dataset  # pulls in scipy and matplotlib: seconds, for whoever needs it

    with _global_generators_kept():
        made = make_dataset()
    return Arrays(made["x"].astype(np.float32), made["y"], made["x_test"].astype(np.float32), made["y_test"])


@contextmanager
def _global_generators_kept() -> Iterator[None]:
    """Put back the two global generators that `make_dataset` seeds and draws from."""
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002
