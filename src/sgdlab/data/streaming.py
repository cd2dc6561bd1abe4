"""A pipeline for images that don't fit into memory: each is decoded when its turn comes.

Threads decode; what they return is put together in its order, so that neither their number nor who is first
changes a bit. Runs that share an index and its draws share the image that is decoded for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sgdlab.config.datasets import ImageNetData
from sgdlab.data.decoding import (
    NUM_CROP_DRAWS,
    center_crop,
    decode,
    mirror,
    num_decoders,
    random_resized_crop,
    to_array,
)
from sgdlab.data.image_files import EncodedImages, ImageFiles
from sgdlab.data.standardize import Affine, PerImage, Standardize

# Mean and deviation of red, green and blue over a part of ImageNet, by which all recipes standardise.
_PUBLISHED = ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))
_BLOCK = 256  # images evaluated at once: 154 MB in float32
_MOST_AHEAD = 2  # minibatches that are decoded before they are asked for

_Row = tuple[int, tuple[float, ...]]  # an example, and the draws of its augmentation


class StreamedPipeline:
    """Images that are read, decoded, cropped, mirrored and standardised batch by batch; see `Pipeline`.

    Training images are cropped at random, or in the middle as for evaluation, and mirrored, by draws.
    """

    num_draws: int

    def __init__(
        self, config: ImageNetData, images: ImageFiles, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.num_draws = NUM_CROP_DRAWS + 1 if config.is_augmented else 0
        self._config, self._images, self._device = config, images, device
        self._standardize = _make_standardize(config, device, dtype)
        self._pool = ThreadPoolExecutor(num_decoders(), thread_name_prefix="decode")
        self._ahead: dict[tuple[_Row, ...], list[Future[np.ndarray]]] = {}
        self.train = self._examples(images.train, images.train_labels)
        self.test = self._examples(images.test, images.test_labels)

    def train_batch(self, indices: Tensor, draws: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return a minibatch; see `Pipeline.train_batch`.

        Raises
        ------
        UserError
            If an image can't be read or decoded.
        """
        rows = self._rows(indices, draws)
        distinct = tuple(dict.fromkeys(rows))
        place = {row: number for number, row in enumerate(distinct)}
        decoding = self._ahead.pop(distinct, None) or self._start(distinct)
        inputs = self._standardize(_gather(decoding, self._device))
        of_row = torch.tensor([place[row] for row in rows], device=self._device)
        labels = self.train.labels[indices]
        return inputs.index_select(0, of_row).view(*indices.shape, *inputs.shape[1:]), labels

    def prefetch(self, indices: Tensor, draws: Tensor | None) -> None:
        """Begin to decode; see `Pipeline.prefetch`."""
        distinct = tuple(dict.fromkeys(self._rows(indices, draws)))
        if distinct not in self._ahead:
            self._ahead[distinct] = self._start(distinct)
        while len(self._ahead) > _MOST_AHEAD:
            for future in self._ahead.pop(next(iter(self._ahead))):
                future.cancel()

    def _rows(self, indices: Tensor, draws: Tensor | None) -> list[_Row]:
        examples = indices.flatten().tolist()
        if not self.num_draws:
            return [(example, ()) for example in examples]
        expected = (*indices.shape, self.num_draws)
        if draws is None or draws.shape != expected:
            got = "none" if draws is None else tuple(draws.shape)
            raise ValueError(f"augmentation needs draws of shape {expected}, got {got}")
        return list(zip(examples, map(tuple, draws.flatten(0, -2).tolist()), strict=True))

    def _start(self, rows: Sequence[_Row]) -> list[Future[np.ndarray]]:
        return [self._pool.submit(self._augmented, *row) for row in rows]

    def _augmented(self, example: int, draws: tuple[float, ...]) -> np.ndarray:
        images, config = self._images.train, self._config
        image = decode(images.read(example), images.name(example))
        if config.crop == "random_resized":
            image = random_resized_crop(image, draws[:NUM_CROP_DRAWS])
        else:
            image = center_crop(image)
        return to_array(mirror(image) if config.flip and draws[-1] < 0.5 else image)

    def _examples(self, images: EncodedImages, labels: Tensor) -> StreamedExamples:
        def start(examples: Sequence[int]) -> list[Future[np.ndarray]]:
            return [self._pool.submit(_centered, images, example) for example in examples]

        def finish(decoding: Sequence[Future[np.ndarray]]) -> Tensor:
            return self._standardize(_gather(decoding, self._device))

        return StreamedExamples(labels.to(self._device), start, finish)


@dataclass(frozen=True)
class StreamedExamples:
    """Examples that are decoded as they are read, a block ahead; see `Examples`."""

    labels: Tensor  # (N,)
    start: Callable[[Sequence[int]], list[Future[np.ndarray]]]
    finish: Callable[[Sequence[Future[np.ndarray]]], Tensor]

    def at(self, indices: Tensor) -> Tensor:
        """Return inputs; see `Examples.at`."""
        return self.finish(self.start(indices.tolist()))

    def blocks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Decode one block while the one before it is read; see `Examples.blocks`."""
        starts = range(0, len(self.labels), _BLOCK)
        coming = self._start(0)
        for first in starts:
            decoding, coming = coming, self._start(first + _BLOCK)
            yield self.finish(decoding), self.labels[first : first + _BLOCK]

    def _start(self, first: int) -> list[Future[np.ndarray]]:
        return self.start(range(first, min(first + _BLOCK, len(self.labels))))


def _centered(images: EncodedImages, example: int) -> np.ndarray:
    return to_array(center_crop(decode(images.read(example), images.name(example))))


def _gather(decoding: Sequence[Future[np.ndarray]], device: torch.device) -> Tensor:
    return torch.from_numpy(np.stack([future.result() for future in decoding])).to(device)


def _make_standardize(config: ImageNetData, device: torch.device, dtype: torch.dtype) -> Standardize:
    if config.standardize == "per_image":
        return PerImage(num_axes=3, dtype=dtype)
    moments = _PUBLISHED if config.standardize == "published" else ((0.0, 1.0),)
    return Affine.of([(255 * mean, 255 * std) for mean, std in moments], [1, 1], device, dtype)
