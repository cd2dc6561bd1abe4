import hashlib

import numpy as np
import pytest
import torch

from sgdlab.data.dataset import Arrays, take_subset


@pytest.fixture
def arrays() -> Arrays:
    generator = np.random.default_rng(0)
    return Arrays(
        generator.integers(0, 256, (6, 1, 2, 2), dtype=np.uint8),
        np.arange(6, dtype=np.uint8),
        generator.integers(0, 256, (4, 1, 2, 2), dtype=np.uint8),
        np.arange(4, dtype=np.uint8),
    )


def test_the_first_examples_are_kept_with_their_types(arrays: Arrays) -> None:
    dataset = take_subset(arrays, 3, 2)
    assert dataset.train_inputs.dtype == dataset.test_inputs.dtype == torch.uint8
    assert dataset.train_labels.dtype == dataset.test_labels.dtype == torch.int64
    assert np.array_equal(dataset.train_inputs.numpy(), arrays.train_inputs[:3])
    assert dataset.train_labels.tolist() == [0, 1, 2]
    assert np.array_equal(dataset.test_inputs.numpy(), arrays.test_inputs[:2])
    assert dataset.test_labels.tolist() == [0, 1]


def test_the_tensors_own_their_memory(arrays: Arrays) -> None:
    before = arrays.train_inputs.copy()
    take_subset(arrays, 6, 4).train_inputs.zero_()
    assert np.array_equal(arrays.train_inputs, before)


def test_the_checksum_is_sha256_over_type_shape_and_bytes_of_what_is_used(arrays: Arrays) -> None:
    expected = b"uint8(3, 1, 2, 2)" + arrays.train_inputs[:3].tobytes()
    expected += b"int64(3,)" + np.arange(3, dtype=np.int64).tobytes()
    expected += b"uint8(2, 1, 2, 2)" + arrays.test_inputs[:2].tobytes()
    expected += b"int64(2,)" + np.arange(2, dtype=np.int64).tobytes()
    assert take_subset(arrays, 3, 2).checksum == hashlib.sha256(expected).hexdigest()


def test_the_checksum_sees_each_of_the_four_arrays(arrays: Arrays) -> None:
    checksums = {take_subset(arrays, 6, 4).checksum}
    for position, array in enumerate(arrays):
        changed = array.copy()
        changed.flat[-1] ^= 1
        checksums.add(
            take_subset(Arrays(*arrays[:position], changed, *arrays[position + 1 :]), 6, 4).checksum
        )
    assert len(checksums) == 5
