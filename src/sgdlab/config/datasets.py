"""Data sets: how many examples, and what is done to one on its way to the network."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sgdlab.config.fields import Component, NonNegativeInt, PositiveInt


class _Data(Component):
    """A data set: its size, and what is done to an example on its way to the network."""

    revision: ClassVar[int] = 1
    sample_shape: ClassVar[tuple[int, ...]]  # (features,) of a signal, (channels, height, width) of an image
    num_classes: ClassVar[int] = 10
    max_train: ClassVar[int]
    max_test: ClassVar[int]

    standardize: Literal["none", "per_image", "dataset"] = "dataset"
    crop_padding: NonNegativeInt = 0  # pixels (or samples of a signal) of zero padding before a random crop
    flip: bool = False  # mirror an image left to right with probability one half


class Mnist1dData(_Data):
    """MNIST-1D: synthetic signals of 40 samples (Greydanus 2020), made by its own package."""

    sample_shape: ClassVar[tuple[int, ...]] = (40,)
    max_train: ClassVar[int] = 4000
    max_test: ClassVar[int] = 1000

    kind: Literal["mnist1d"] = "mnist1d"
    num_train: Annotated[PositiveInt, Field(le=4000)] = 4000
    num_test: Annotated[PositiveInt, Field(le=1000)] = 1000
    standardize: Literal["none", "per_image", "dataset"] = "none"  # its maker has standardised it


class DigitsData(_Data):
    """The 1,797 handwritten digits of 8×8 pixels of scikit-learn; those after the training set test."""

    sample_shape: ClassVar[tuple[int, ...]] = (1, 8, 8)
    max_train: ClassVar[int] = 1297
    max_test: ClassVar[int] = 500

    kind: Literal["digits"] = "digits"
    num_train: Annotated[PositiveInt, Field(le=1297)] = 1297
    num_test: Annotated[PositiveInt, Field(le=500)] = 500


class MnistData(_Data):
    """MNIST from its four original idx files."""

    sample_shape: ClassVar[tuple[int, ...]] = (1, 28, 28)
    max_train: ClassVar[int] = 60_000
    max_test: ClassVar[int] = 10_000

    kind: Literal["mnist"] = "mnist"
    num_train: Annotated[PositiveInt, Field(le=60_000)] = 60_000
    num_test: Annotated[PositiveInt, Field(le=10_000)] = 10_000


class FashionMnistData(_Data):
    """Fashion-MNIST from its four original idx files."""

    sample_shape: ClassVar[tuple[int, ...]] = (1, 28, 28)
    max_train: ClassVar[int] = 60_000
    max_test: ClassVar[int] = 10_000

    kind: Literal["fashion_mnist"] = "fashion_mnist"
    num_train: Annotated[PositiveInt, Field(le=60_000)] = 60_000
    num_test: Annotated[PositiveInt, Field(le=10_000)] = 10_000


class Cifar10Data(_Data):
    """CIFAR-10 from the six pickles of its python version."""

    sample_shape: ClassVar[tuple[int, ...]] = (3, 32, 32)
    max_train: ClassVar[int] = 50_000
    max_test: ClassVar[int] = 10_000

    kind: Literal["cifar10"] = "cifar10"
    num_train: Annotated[PositiveInt, Field(le=50_000)] = 50_000
    num_test: Annotated[PositiveInt, Field(le=10_000)] = 10_000


Data = Annotated[
    Mnist1dData | DigitsData | MnistData | FashionMnistData | Cifar10Data, Field(discriminator="kind")
]
