"""Oracle: each image by itself, decoded by Pillow and standardised in numpy."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from sgdlab.config.datasets import ImageNetData
from sgdlab.data import decoding, streaming
from sgdlab.data.decoding import center_crop, random_resized_crop
from sgdlab.data.image_files import ImageFiles, InMemory
from sgdlab.data.pipeline import make_pipeline
from sgdlab.data.streaming import StreamedPipeline
from sgdlab.errors import UserError

CPU = torch.device("cpu")
SIZES = [(40, 30), (30, 40), (64, 64), (50, 20), (33, 47), (80, 60), (24, 24)]
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # torchvision's documentation


def contents(count: int) -> list[bytes]:
    generator = np.random.default_rng(0)
    found = []
    for number in range(count):
        width, height = SIZES[number % len(SIZES)]
        buffer = io.BytesIO()
        pixels = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(buffer, "JPEG")
        found.append(buffer.getvalue())
    return found


@pytest.fixture(scope="module")
def images() -> ImageFiles:
    train, test = contents(7), contents(3)
    return ImageFiles(InMemory(train), torch.arange(7) * 10, InMemory(test), torch.arange(3), "made up")


def pipeline_of(images: ImageFiles, dtype=torch.float64, **settings) -> StreamedPipeline:
    found = make_pipeline(ImageNetData(num_train=7, num_test=3, **settings), images, CPU, dtype)
    assert isinstance(found, StreamedPipeline)
    return found


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB")


def standardized(image: Image.Image) -> np.ndarray:
    return ((np.asarray(image) / 255 - MEAN) / STD).transpose(2, 0, 1)


def draws_of(pipeline: StreamedPipeline, num_runs: int, batch_size: int) -> torch.Tensor:
    return torch.rand(num_runs, batch_size, pipeline.num_draws, generator=torch.Generator().manual_seed(3))


AUGMENTED = {"crop": "random_resized", "flip": True}
INDICES = torch.tensor([[0, 3, 6, 3], [5, 0, 1, 2]])


def test_a_batch_is_each_image_cropped_and_mirrored_by_its_own_draws(images: ImageFiles) -> None:
    pipeline = pipeline_of(images, **AUGMENTED)
    draws = draws_of(pipeline, 2, 4)
    draws[0, 0, -1], draws[1, 1, -1] = 0.4, 0.6  # mirrored, and not
    inputs, labels = pipeline.train_batch(INDICES, draws)
    assert inputs.shape == (2, 4, 3, 224, 224)
    assert torch.equal(labels, INDICES * 10)
    for run in range(2):
        for place in range(4):
            own = draws[run, place].tolist()
            image = random_resized_crop(opened(images.train.read(INDICES[run, place])), own[:-1])
            expected = standardized(image)[:, :, ::-1] if own[-1] < 0.5 else standardized(image)
            np.testing.assert_allclose(inputs[run, place].numpy(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("settings", "num_draws"), [({}, 0), ({"flip": True}, 23), ({"crop": "random_resized"}, 23)]
)
def test_without_a_random_crop_training_sees_the_centre(images: ImageFiles, settings, num_draws) -> None:
    pipeline = pipeline_of(images, **settings)
    assert pipeline.num_draws == num_draws
    if "crop" in settings:
        return
    draws = torch.full((2, 4, 23), 0.4) if num_draws else None
    inputs, _ = pipeline.train_batch(INDICES, draws)
    expected = pipeline.train.at(INDICES.flatten()).view(inputs.shape)
    assert torch.equal(inputs, expected.flip(-1) if num_draws else expected)


@pytest.mark.parametrize("standardize", ["none", "per_image", "published"])
def test_evaluation_sees_the_centre_of_every_image_in_its_order(images: ImageFiles, standardize, monkeypatch):
    monkeypatch.setattr(streaming, "_BLOCK", 3)  # three blocks, the last of one image
    pipeline = pipeline_of(images, standardize=standardize)
    blocks = list(pipeline.train.blocks())
    assert [len(inputs) for inputs, _ in blocks] == [3, 3, 1]
    assert torch.equal(torch.cat([labels for _, labels in blocks]), images.train_labels)
    found = torch.cat([inputs for inputs, _ in blocks]).numpy()
    for number in range(7):
        crop = center_crop(opened(images.train.read(number)))
        pixels = np.asarray(crop).transpose(2, 0, 1).astype(float)
        expected = {
            "none": pixels / 255,
            "per_image": (pixels - pixels.mean()) / pixels.std(),
            "published": standardized(crop),
        }[standardize]
        np.testing.assert_allclose(found[number], expected, rtol=1e-12, atol=1e-12)
    assert len(list(pipeline.test.blocks())) == 1
    assert torch.equal(pipeline.train.at(torch.tensor([6, 0])), torch.from_numpy(found[[6, 0]]))


def test_bits_depend_on_indices_and_draws_alone(images: ImageFiles, monkeypatch) -> None:
    pipeline = pipeline_of(images, torch.float32, **AUGMENTED)
    draws = draws_of(pipeline, 2, 4)
    packed, _ = pipeline.train_batch(INDICES, draws)
    alone, _ = pipeline.train_batch(INDICES[1:], draws[1:])
    assert torch.equal(alone[0], packed[1])
    turned, _ = pipeline.train_batch(INDICES.flip(0), draws.flip(0))
    assert torch.equal(turned[0], packed[1])
    monkeypatch.setattr(streaming, "num_decoders", lambda: 5)
    others, _ = pipeline_of(images, torch.float32, **AUGMENTED).train_batch(INDICES, draws)
    assert torch.equal(others, packed)


class Noting(InMemory):
    """Notes what is read: threads append to a list, and lose nothing."""

    def __init__(self, contents) -> None:
        super().__init__(contents)
        object.__setattr__(self, "noted", [])

    def read(self, index: int) -> bytes:
        self.noted.append(index)
        return super().read(index)


@pytest.fixture
def noted_images(images: ImageFiles) -> ImageFiles:
    noting = Noting(images.train.contents)
    return ImageFiles(noting, images.train_labels, images.test, images.test_labels, "")


def test_a_batch_that_was_fetched_ahead_is_the_same_and_is_not_decoded_again(images, noted_images) -> None:
    draws = draws_of(pipeline_of(images, **AUGMENTED), 2, 4)
    expected, _ = pipeline_of(images, **AUGMENTED).train_batch(INDICES, draws)
    pipeline = pipeline_of(noted_images, **AUGMENTED)
    pipeline.prefetch(INDICES, draws)
    pipeline.prefetch(INDICES, draws)
    other = pipeline.train_batch(INDICES.flip(1), draws)[0]
    assert not torch.equal(other, expected)
    assert torch.equal(pipeline.train_batch(INDICES, draws)[0], expected)
    assert len(noted_images.train.noted) == 16
    assert torch.equal(pipeline.train_batch(INDICES, draws)[0], expected)
    assert len(noted_images.train.noted) == 24


def test_no_more_than_two_batches_are_kept_ahead(noted_images: ImageFiles) -> None:
    pipeline = pipeline_of(noted_images)
    for index in range(5):
        pipeline.prefetch(torch.tensor([[index]]), None)
    assert len(pipeline._ahead) == 2


def test_runs_that_share_a_minibatch_share_its_images(noted_images: ImageFiles) -> None:
    pipeline = pipeline_of(noted_images, **AUGMENTED)
    draws = draws_of(pipeline, 1, 4).expand(3, -1, -1)
    inputs, _ = pipeline.train_batch(INDICES[:1].expand(3, -1), draws)
    assert len(noted_images.train.noted) == 4
    assert torch.equal(inputs[0], inputs[2])


@pytest.mark.parametrize(("draws", "got"), [(None, "none"), (torch.zeros(2, 4, 3), r"\(2, 4, 3\)")])
def test_wrong_draws_are_refused(images: ImageFiles, draws, got) -> None:
    with pytest.raises(ValueError, match=rf"needs draws of shape \(2, 4, 23\), got {got}"):
        pipeline_of(images, **AUGMENTED).train_batch(INDICES, draws)


def test_a_damaged_image_is_named_whether_fetched_ahead_or_not(images: ImageFiles) -> None:
    damaged = InMemory([*images.train.contents[:6], images.train.contents[6][:100]])
    files = ImageFiles(damaged, images.train_labels, images.test, images.test_labels, "")
    pipeline = pipeline_of(files)
    pipeline.prefetch(INDICES, None)
    for _ in range(2):
        with pytest.raises(UserError, match=r"^image 6 can't be decoded"):
            pipeline.train_batch(INDICES, None)
    with pytest.raises(UserError, match=r"^image 6 can't be decoded"):
        list(pipeline.train.blocks())


def test_as_many_threads_decode_as_this_process_may_use() -> None:
    assert decoding.num_decoders() >= 1
