"""Data sets: how many examples, and what is done to one on its way to the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from sgdlab.config.fields import Component, NonNegativeInt, PositiveInt


class _Data(Component):
    """A data set: its size, and what an example is."""

    revision: ClassVar[int] = 1


class ArrayData(_Data):
    """Images or signals, held in memory: standardised, and cropped and mirrored at random."""

    sample_shape: ClassVar[tuple[int, ...]]  # (features,) of a signal, (channels, height, width) of an image
    num_classes: ClassVar[int] = 10
    max_train: ClassVar[int]
    max_test: ClassVar[int]

    standardize: Literal["none", "per_image", "dataset"] = "dataset"
    crop_padding: NonNegativeInt = 0  # pixels (or samples of a signal) of zero padding before a random crop
    flip: bool = False  # mirror an image left to right with probability one half

    @property
    def is_augmented(self) -> bool:
        """Whether a training example is another one each time."""
        return self.crop_padding > 0 or self.flip

    @property
    def preparation(self) -> tuple[object, ...]:
        """What is done to an example: part of the work of an update."""
        return (self.crop_padding, self.flip, self.standardize)


class Mnist1dData(ArrayData):
    """MNIST-1D: synthetic signals of 40 samples (Greydanus 2020), made by its own package."""

    sample_shape: ClassVar[tuple[int, ...]] = (40,)
    max_train: ClassVar[int] = 4000
    max_test: ClassVar[int] = 1000

    kind: Literal["mnist1d"] = "mnist1d"
    num_train: Annotated[PositiveInt, Field(le=4000)] = 4000
    num_test: Annotated[PositiveInt, Field(le=1000)] = 1000
    standardize: Literal["none", "per_image", "dataset"] = "none"  # its maker has standardised it


class DigitsData(ArrayData):
    """The 1,797 handwritten digits of 8×8 pixels of scikit-learn; those after the training set test."""

    sample_shape: ClassVar[tuple[int, ...]] = (1, 8, 8)
    max_train: ClassVar[int] = 1297
    max_test: ClassVar[int] = 500

    kind: Literal["digits"] = "digits"
    num_train: Annotated[PositiveInt, Field(le=1297)] = 1297
    num_test: Annotated[PositiveInt, Field(le=500)] = 500


class MnistData(ArrayData):
    """MNIST from its four original idx files."""

    sample_shape: ClassVar[tuple[int, ...]] = (1, 28, 28)
    max_train: ClassVar[int] = 60_000
    max_test: ClassVar[int] = 10_000

    kind: Literal["mnist"] = "mnist"
    num_train: Annotated[PositiveInt, Field(le=60_000)] = 60_000
    num_test: Annotated[PositiveInt, Field(le=10_000)] = 10_000


class FashionMnistData(ArrayData):
    """Fashion-MNIST from its four original idx files."""

    sample_shape: ClassVar[tuple[int, ...]] = (1, 28, 28)
    max_train: ClassVar[int] = 60_000
    max_test: ClassVar[int] = 10_000

    kind: Literal["fashion_mnist"] = "fashion_mnist"
    num_train: Annotated[PositiveInt, Field(le=60_000)] = 60_000
    num_test: Annotated[PositiveInt, Field(le=10_000)] = 10_000


class Cifar10Data(ArrayData):
    """CIFAR-10 from the six pickles of its python version."""

    sample_shape: ClassVar[tuple[int, ...]] = (3, 32, 32)
    max_train: ClassVar[int] = 50_000
    max_test: ClassVar[int] = 10_000

    kind: Literal["cifar10"] = "cifar10"
    num_train: Annotated[PositiveInt, Field(le=50_000)] = 50_000
    num_test: Annotated[PositiveInt, Field(le=10_000)] = 10_000


class Cifar100Data(ArrayData):
    """CIFAR-100 from the two pickles of its python version, by its hundred fine labels."""

    sample_shape: ClassVar[tuple[int, ...]] = (3, 32, 32)
    num_classes: ClassVar[int] = 100
    max_train: ClassVar[int] = 50_000
    max_test: ClassVar[int] = 10_000

    kind: Literal["cifar100"] = "cifar100"
    num_train: Annotated[PositiveInt, Field(le=50_000)] = 50_000
    num_test: Annotated[PositiveInt, Field(le=10_000)] = 10_000


class Stl10Data(ArrayData):
    """The labelled images of STL-10 from its binary files."""

    sample_shape: ClassVar[tuple[int, ...]] = (3, 96, 96)
    max_train: ClassVar[int] = 5000
    max_test: ClassVar[int] = 8000

    kind: Literal["stl10"] = "stl10"
    num_train: Annotated[PositiveInt, Field(le=5000)] = 5000
    num_test: Annotated[PositiveInt, Field(le=8000)] = 8000


class TinyImageNetData(ArrayData):
    """Tiny-ImageNet: 200 classes of ImageNet as 64×64 pixels; its validation images test."""

    sample_shape: ClassVar[tuple[int, ...]] = (3, 64, 64)
    num_classes: ClassVar[int] = 200
    max_train: ClassVar[int] = 100_000
    max_test: ClassVar[int] = 10_000

    kind: Literal["tiny_imagenet"] = "tiny_imagenet"
    num_train: Annotated[PositiveInt, Field(le=100_000)] = 100_000
    num_test: Annotated[PositiveInt, Field(le=10_000)] = 10_000


class ImageNetData(_Data):
    """ImageNet (ILSVRC 2012), decoded image by image as it is needed; its validation images test."""

    sample_shape: ClassVar[tuple[int, ...]] = (3, 224, 224)
    num_classes: ClassVar[int] = 1000
    max_train: ClassVar[int] = 1_281_167
    max_test: ClassVar[int] = 50_000

    kind: Literal["imagenet"] = "imagenet"
    num_train: Annotated[PositiveInt, Field(le=1_281_167)] = 1_281_167
    num_test: Annotated[PositiveInt, Field(le=50_000)] = 50_000
    standardize: Literal["none", "per_image", "published"] = "published"  # by the moments that everybody uses
    crop: Literal["center", "random_resized"] = "center"  # of training images
    flip: bool = False  # mirror a training image left to right with probability one half

    @property
    def is_augmented(self) -> bool:
        """Whether a training example is another one each time."""
        return self.crop != "center" or self.flip

    @property
    def preparation(self) -> tuple[object, ...]:
        """What is done to an example: part of the work of an update."""
        return (self.crop, self.flip, self.standardize)


class PtbData(_Data):
    """Penn Treebank: an example is a window of so many words, and its labels are the words that follow each.

    Window i holds words i·T … (i+1)·T − 1 of a text: each begins where the one before it ends.
    """

    num_classes: ClassVar[int] = 10_000  # the vocabulary
    is_augmented: ClassVar[bool] = False
    preparation: ClassVar[tuple[object, ...]] = ()

    kind: Literal["ptb"] = "ptb"
    num_steps: Annotated[PositiveInt, Field(le=1000)] = 20  # T, words of a window
    held_out: Literal["valid", "test"] = "valid"  # the text that the test half is
    # All there are, unless fewer are asked for; a key says how many either way.
    num_train: PositiveInt = Field(default_factory=lambda given: _num_windows("train", given))
    num_test: PositiveInt = Field(default_factory=lambda given: _num_windows(given["held_out"], given))

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """(T,)."""
        return (self.num_steps,)

    @property
    def max_train(self) -> int:
        """Windows of the training text."""
        return _num_windows("train", self.__dict__)

    @property
    def max_test(self) -> int:
        """Windows of the text that is held out."""
        return _num_windows(self.held_out, self.__dict__)

    @field_validator("num_train", "num_test")
    @classmethod
    def _check_text_is_long_enough(cls, count: int, info: ValidationInfo) -> int:
        if info.data.keys() >= {"num_steps", "held_out"}:  # otherwise those are what is wrong
            text = "train" if info.field_name == "num_train" else info.data["held_out"]
            most = _num_windows(text, info.data)
            if count > most:
                num_steps = info.data["num_steps"]
                raise ValueError(f"ptb.{text}.txt has {most} windows of data.num_steps={num_steps} words")
        return count


_NUM_WORDS = {"train": 929_589, "valid": 73_760, "test": 82_430}  # an end of line is one


def _num_windows(text: str, given: Mapping[str, Any]) -> int:
    """Return how many windows of T words, each followed by one more, a text has."""
    return (_NUM_WORDS[text] - 1) // given["num_steps"]  # type: ignore[no-any-return]


Data = Annotated[
    Mnist1dData
    | DigitsData
    | MnistData
    | FashionMnistData
    | Cifar10Data
    | Cifar100Data
    | Stl10Data
    | TinyImageNetData
    | ImageNetData
    | PtbData,
    Field(discriminator="kind"),
]
