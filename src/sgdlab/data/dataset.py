"""A data set as a run uses it: four tensors and the checksum that goes into the run's provenance."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Dataset:
    """Training and test examples, raw: neither standardised nor augmented, on the CPU."""

    train_inputs: Tensor  # (N, *sample_shape)  uint8 pixels, float32 signals, int64 numbers of words
    train_labels: Tensor  # (N,)  int64; of windows of T words (N, T), the next words
    test_inputs: Tensor  # (M, *sample_shape)  as train_inputs
    test_labels: Tensor  # (M,)  as train_labels
    checksum: str  # SHA-256 over the four arrays as used: what a run says it was trained on


class Arrays(NamedTuple):
    """What a reader of files returns: the four arrays, at least as long as was asked for."""

    train_inputs: np.ndarray
    train_labels: np.ndarray
    test_inputs: np.ndarray
    test_labels: np.ndarray


def take_subset(arrays: Arrays, num_train: int, num_test: int) -> Dataset:
    """Keep the first `num_train` training and the first `num_test` test examples."""
    train_inputs = np.ascontiguousarray(arrays.train_inputs[:num_train])
    train_labels = arrays.train_labels[:num_train].astype(np.int64)
    test_inputs = np.ascontiguousarray(arrays.test_inputs[:num_test])
    test_labels = arrays.test_labels[:num_test].astype(np.int64)
    digest = hashlib.sha256()
    for array in (train_inputs, train_labels, test_inputs, test_labels):
        digest.update(f"{array.dtype.name}{array.shape}".encode())
        digest.update(array.data)
    # torch.tensor copies: an array over the bytes of a file is read-only, and torch wants to own its memory
    return Dataset(
        torch.tensor(train_inputs),
        torch.tensor(train_labels),
        torch.tensor(test_inputs),
        torch.tensor(test_labels),
        digest.hexdigest(),
    )
