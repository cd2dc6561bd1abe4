"""From a data set's configuration to its tensors."""

from __future__ import annotations

from pathlib import Path

from sgdlab.config.datasets import Cifar10Data, Data, DigitsData, FashionMnistData, Mnist1dData, MnistData
from sgdlab.data import cifar10, digits, idx, mnist1d
from sgdlab.data.dataset import Arrays, Dataset, take_subset


def load_dataset(config: Data, folder: Path) -> Dataset:
    """Read, or make, the data set; download its files first where they are missing.

    Parameters
    ----------
    config : Data
        Which data set, and how many of its examples: the first ones of each half.
    folder : Path
        The data folder. MNIST-1D and digits come with their packages and leave it alone.

    Raises
    ------
    UserError
        If files are missing and can't be downloaded, can't be read, or aren't the original ones.
    """
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
            return cifar10.read_batches(folder, config.num_train)
