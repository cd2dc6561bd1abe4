import random

import numpy as np
import pytest
import torch

from sgdlab.config.datasets import Cifar10Data, Data, DigitsData, Mnist1dData
from sgdlab.data.dataset import Arrays, Dataset, take_subset
from sgdlab.data.pipeline import ResidentPipeline
from sgdlab.data.standardize import make_standardize

CPU = torch.device("cpu")
CONFIGS = [
    Mnist1dData(),
    Mnist1dData(crop_padding=3, standardize="per_image"),
    DigitsData(),
    DigitsData(crop_padding=1, standardize="none"),
    Cifar10Data(standardize="per_image"),
    Cifar10Data(crop_padding=4, flip=True),
    Cifar10Data(crop_padding=4, flip=True, standardize="per_image"),
]
DTYPES = [torch.float32, torch.float64]


def made_up(config: Data, num_train: int = 30, num_test: int = 10) -> Dataset:
    """Random examples of the shape and type of `config`."""
    generator = np.random.default_rng(0)

    def inputs(count: int) -> np.ndarray:
        if config.kind == "mnist1d":
            return generator.standard_normal((count, 40)).astype(np.float32)
        return generator.integers(0, 256, (count, *config.sample_shape), dtype=np.uint8)

    train_labels, test_labels = generator.integers(0, 10, num_train), generator.integers(0, 10, num_test)
    arrays = Arrays(inputs(num_train), train_labels, inputs(num_test), test_labels)
    return take_subset(arrays, num_train, num_test)


def drawn(
    pipeline: ResidentPipeline, num_runs: int, batch_size: int
) -> tuple[torch.Tensor, torch.Tensor | None]:
    generator = torch.Generator().manual_seed(1)
    indices = torch.randint(len(pipeline.train.labels), (num_runs, batch_size), generator=generator)
    draws = torch.rand(num_runs, batch_size, pipeline.num_draws, generator=generator)
    return indices, draws if pipeline.num_draws else None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("config", CONFIGS)
def test_whole_sets_are_standardised_by_the_training_set_and_not_augmented(config, dtype) -> None:
    dataset = made_up(config, num_train=1030)  # more than are standardised at once
    pipeline = ResidentPipeline(config, dataset, CPU, dtype)
    standardize = make_standardize(config, dataset.train_inputs, CPU, dtype)
    assert torch.equal(pipeline.train.inputs, standardize(dataset.train_inputs))
    assert torch.equal(pipeline.test.inputs, standardize(dataset.test_inputs))
    assert pipeline.train.inputs.dtype == pipeline.test.inputs.dtype == dtype
    assert torch.equal(pipeline.train.labels, dataset.train_labels)
    assert torch.equal(pipeline.test.labels, dataset.test_labels)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("config", CONFIGS)
def test_a_batch_in_the_middle_crop_is_rows_of_the_standardised_set(config, dtype) -> None:
    # Draws of one half crop in the middle and do not mirror: augmented or not, the same bits.
    pipeline = ResidentPipeline(config, made_up(config), CPU, dtype)
    indices, draws = drawn(pipeline, 3, 5)
    inputs, labels = pipeline.train_batch(indices, None if draws is None else torch.full_like(draws, 0.5))
    assert inputs.dtype == dtype
    assert inputs.shape == (3, 5, *config.sample_shape)
    assert torch.equal(inputs, pipeline.train.inputs[indices])
    assert torch.equal(labels, pipeline.train.labels[indices])


def test_images_are_standardised_after_crop_and_mirror() -> None:
    config = Cifar10Data(crop_padding=4, flip=True, standardize="per_image")
    dataset = made_up(config)
    pipeline = ResidentPipeline(config, dataset, CPU, torch.float64)
    indices, draws = drawn(pipeline, 1, 1)
    draws[...] = torch.tensor([0.0, 0.0, 0.0])  # shifted down and right by 4, then mirrored
    image = np.zeros((3, 32, 32))
    image[:, 4:, 4:] = dataset.train_inputs[indices[0, 0], :, :28, :28].numpy()
    image = image[:, :, ::-1]
    inputs, _ = pipeline.train_batch(indices, draws)
    np.testing.assert_allclose(inputs[0, 0].numpy(), (image - image.mean()) / image.std(), rtol=1e-12)


def test_padding_is_zero_before_standardisation() -> None:
    config = DigitsData(crop_padding=1)
    dataset = made_up(config)
    pipeline = ResidentPipeline(config, dataset, CPU, torch.float64)
    inputs, _ = pipeline.train_batch(torch.zeros(1, 1, dtype=torch.int64), torch.zeros(1, 1, 3))
    pixels = dataset.train_inputs.numpy().astype(np.float64)
    np.testing.assert_allclose(inputs[0, 0, 0, 0].numpy(), -pixels.mean() / pixels.std(), rtol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("config", CONFIGS)
def test_the_bits_of_a_run_depend_neither_on_companions_nor_on_its_place(config, dtype) -> None:
    pipeline = ResidentPipeline(config, made_up(config), CPU, dtype)
    indices, draws = drawn(pipeline, 9, 16)
    packed, packed_labels = pipeline.train_batch(indices, draws)
    for members in ([4], [8, 4], [4, 0, 1, 2, 3]):
        inputs, labels = pipeline.train_batch(indices[members], None if draws is None else draws[members])
        place = members.index(4)
        assert torch.equal(inputs[place], packed[4])
        assert torch.equal(labels[place], packed_labels[4])


@pytest.mark.parametrize("config", CONFIGS)
def test_the_same_call_twice_gives_the_same_bits(config) -> None:
    first, second = (ResidentPipeline(config, made_up(config), CPU, torch.float32) for _ in range(2))
    call = drawn(first, 4, 8)
    assert torch.equal(first.train_batch(*call)[0], second.train_batch(*call)[0])


def test_no_global_generator_is_touched() -> None:
    config = Cifar10Data(crop_padding=4, flip=True)
    states = random.getstate(), str(np.random.get_state()), torch.get_rng_state()  # noqa: NPY002
    pipeline = ResidentPipeline(config, made_up(config), CPU, torch.float32)
    pipeline.train_batch(*drawn(pipeline, 2, 4))
    assert random.getstate() == states[0]
    assert str(np.random.get_state()) == states[1]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[2])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("config", CONFIGS)
def test_a_gpu_gives_the_batches_of_the_cpu(config) -> None:
    dataset = made_up(config)
    cpu = ResidentPipeline(config, dataset, CPU, torch.float32)
    gpu = ResidentPipeline(config, dataset, torch.device("cuda"), torch.float32)
    indices, draws = drawn(cpu, 4, 8)
    inputs, labels = gpu.train_batch(indices.cuda(), None if draws is None else draws.cuda())
    torch.testing.assert_close(inputs.cpu(), cpu.train_batch(indices, draws)[0], rtol=1e-6, atol=1e-6)
    assert torch.equal(labels.cpu(), cpu.train_labels[indices])
