"""From a data set's configuration to its examples."""

from __future__ import annotations

from pathlib import Path

from sgdlab.config.datasets import (
    Cifar10Data,
    Cifar100Data,
    Data,
    DigitsData,
    FashionMnistData,
    ImageNetData,
    Mnist1dData,
    MnistData,
    PtbData,
    Stl10Data,
    TinyImageNetData,
)
from sgdlab.data import cifar, digits, idx, imagenet, mnist1d, ptb, stl10, tiny_imagenet
from sgdlab.data.dataset import Arrays, Dataset, take_subset
from sgdlab.data.image_files import ImageFiles


def load_dataset(config: Data, folder: Path) -> Dataset | ImageFiles:
    """Read, or make, the data set; download its files first where they are missing.

    Parameters
    ----------
    config : Data
        Which data set, and how many of its examples: the first ones of each half.
    folder : Path
        The data folder. MNIST-1D and digits come with their packages and leave it alone.

    Returns
    -------
    Dataset or ImageFiles
        The examples, raw; of ImageNet the files, which are decoded as they are needed.

    Raises
    ------
    UserError
        If files are missing and can't be downloaded, can't be read, or aren't the original ones.
    """
    if isinstance(config, ImageNetData):
        return imagenet.find_images(folder, config.num_train, config.num_test)
    return take_subset(_read(config, folder), config.num_train, config.num_test)


def _read(config: Data, folder: Path) -> Arrays:
    match config:
        case Mnist1dData():
            return mnist1d.make_signals()
        case DigitsData():
            return digits.read_digits()
        case MnistData():
            return idx.read_idx_files(idx.MNIST, folder)
        case FashionMnistData():
            return idx.read_idx_files(idx.FASHION_MNIST, folder)
        case Cifar10Data():
            return cifar.read_cifar10(folder, config.num_train)
        case Cifar100Data():
            return cifar.read_cifar100(folder)
        case Stl10Data():
            return stl10.read_binaries(folder)
        case TinyImageNetData():
            return tiny_imagenet.read_tiny_imagenet(folder, config.num_train, config.num_test)
        case PtbData():
            return ptb.read_windows(folder, config.held_out, config.num_steps)
        case ImageNetData():
            raise AssertionError("its images are not read")
