"""ImageNet (ILSVRC 2012) from folders of JPEG files, a folder a class, as everybody lays it out.

Classes are numbered in the order of their names. Both halves are sorted by class on the disk, so both are
taken in turns over the classes. Nothing is decoded here.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from sgdlab.data.by_class import take_in_turns
from sgdlab.data.image_files import FilesBelow, ImageFiles
from sgdlab.errors import UserError

_FOLDERS = ("imagenet", "ImageNet", "ILSVRC2012")
_NUM_CLASSES = 1000
_NUM_SCANS = 16  # folders that are listed at once: on a network file system each waits


def find_images(folder: Path, num_train: int, num_test: int) -> ImageFiles:
    """List as many images as are asked for, and their labels.

    Raises
    ------
    UserError
        If ImageNet isn't there, the classes aren't the 1,000, one has no images, or all have too few.
    """
    root = next((folder / below for below in _FOLDERS if (folder / below / "train").is_dir()), None)
    if root is None:
        raise _missing(folder)
    words = _classes(root / "train")
    if (others := _classes(root / "val")) != words:
        different = ", ".join(sorted(set(words) ^ set(others))[:3])
        raise UserError(f"{root}: train and val don't have the same classes: {different} … in one only.")
    train, train_sizes = _listed(root, "train", words, num_train)
    test, test_sizes = _listed(root, "val", words, num_test)
    digest = hashlib.sha256()
    for files, sizes in ((train, train_sizes), (test, test_sizes)):
        for name, label in files:
            digest.update(f"{name} {label} {sizes[name]}\n".encode())
    return ImageFiles(
        FilesBelow(root, np.array([os.fsencode(name) for name, _ in train])),
        torch.tensor([label for _, label in train]),
        FilesBelow(root, np.array([os.fsencode(name) for name, _ in test])),
        torch.tensor([label for _, label in test]),
        digest.hexdigest(),
    )


def _classes(folder: Path) -> list[str]:
    """Return the names of the folders of classes, in order."""
    names = sorted(entry.name for entry in _entries(folder) if entry.is_dir())
    if len(names) != _NUM_CLASSES:
        raise UserError(
            f"{folder} holds {len(names)} folders, expected one for each of the {_NUM_CLASSES:,} classes of "
            f"ImageNet: {folder.name}/n01440764/*.JPEG and so on; the validation images are sorted into "
            f"folders, too."
        )
    return names


def _listed(
    root: Path, half: str, words: Sequence[str], count: int
) -> tuple[list[tuple[str, int]], dict[str, int]]:
    """Return the first `count` files of one half, their labels, and the sizes of all its files in bytes."""

    def scan(word: str) -> dict[str, int]:
        folder = root / half / word
        found = sorted((e for e in _entries(folder) if e.name.endswith(".JPEG")), key=lambda e: e.name)
        if not found:
            raise UserError(f"{folder} holds no .JPEG: put the images of this class there.")
        return {f"{half}/{word}/{entry.name}": entry.stat().st_size for entry in found}

    with ThreadPoolExecutor(_NUM_SCANS) as pool:
        classes = list(pool.map(scan, words))
    files = take_in_turns([list(names) for names in classes], count)
    if len(files) < count:
        key = "num_train" if half == "train" else "num_test"
        raise UserError(f"{root / half} holds {len(files):,} images, and data.{key}={count} asks for more.")
    return files, {name: size for names in classes for name, size in names.items()}


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise UserError(f"{folder} can't be read: {error.strerror}.") from error


def _missing(folder: Path) -> UserError:
    place = folder / _FOLDERS[0]
    return UserError(
        f"ImageNet is missing: there is no {place / 'train'}.\n"
        f"Put the images into {place}/train/<class>/*.JPEG and {place}/val/<class>/*.JPEG, a folder for each "
        f"of the {_NUM_CLASSES:,} classes, or name the data folder that has them: folders.data=FOLDER, or "
        f"the environment variable SGDLAB_DATA.\n"
        f"It can't be downloaded without an account: register at https://image-net.org/download.php "
        f"(ILSVRC 2012, task 1 and 2: training and validation images)."
    )
