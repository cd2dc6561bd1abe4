"""Tiny-ImageNet (Stanford CS231n, 2015), from its folder or from the archive as it is published.

Training images lie in a folder for each class, so that the first of them are of few classes: they are taken
in turns over the classes, in the order of ``wnids.txt``. Validation images are in no such order, and are
taken as they are numbered; they test, for the labels of the test images were never published.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from sgdlab.data.by_class import take_in_turns
from sgdlab.data.dataset import Arrays
from sgdlab.data.decoding import decode, num_decoders, to_array
from sgdlab.data.download import NotFetchedError, fetch
from sgdlab.data.file_tree import FileTree, Folder, ZipArchive
from sgdlab.errors import UserError

ARCHIVE = "tiny-imagenet-200.zip"
ARCHIVE_MD5 = "90528d7ca1a48142e341f4ef8d21d0de"
URL = "http://cs231n.stanford.edu/"

_FOLDERS = ("tiny_imagenet", "tiny-imagenet-200", "tiny_imagenet/tiny-imagenet-200")
_NUM_CLASSES = 200
_SIDE = 64


def read_tiny_imagenet(folder: Path, num_train: int, num_test: int) -> Arrays:
    """Decode as many images as are asked for, (num_train, 3, 64, 64) and (num_test, 3, 64, 64).

    Raises
    ------
    UserError
        If files are missing and can't be downloaded, the archive isn't the original, a class has too few
        images, or one can't be decoded or has another size.
    """
    tree = _find(folder)
    words = tree.text("wnids.txt").split()
    if len(set(words)) != _NUM_CLASSES:
        raise UserError(
            f"{tree.place('wnids.txt')} names {len(set(words))} classes, expected {_NUM_CLASSES}."
        )
    train = take_in_turns([_images_of(tree, word, num_train) for word in words], num_train)
    test = _validation(tree, words, num_test)
    return Arrays(*_decode_all(tree, train), *_decode_all(tree, test))


def _find(folder: Path) -> FileTree:
    """Return the folder, or else the archive, downloaded where there is neither."""
    places = [folder / below for below in _FOLDERS]
    for place in places:
        if (place / "wnids.txt").is_file():
            return Folder(place)
    for place in (*places, folder):
        if (place / ARCHIVE).is_file():
            return _checked(place / ARCHIVE, folder)
    try:
        return ZipArchive(fetch(URL + ARCHIVE, ARCHIVE_MD5, places[0]), "tiny-imagenet-200")
    except NotFetchedError as error:
        raise UserError(
            f"Tiny-ImageNet is missing: {places[0]} has neither wnids.txt nor {ARCHIVE}, "
            f"and the download failed ({error}).\n"
            f"Put {ARCHIVE}, or what it holds, into {places[0]}, or name the data folder that has it: "
            f"folders.data=FOLDER, or the environment variable SGDLAB_DATA.\n"
            f"It comes from {URL}{ARCHIVE}."
        ) from error


def _checked(path: Path, folder: Path) -> FileTree:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != ARCHIVE_MD5:
        raise UserError(
            f"{path} is not the original {ARCHIVE} of Tiny-ImageNet: its md5 is {found}, "
            f"expected {ARCHIVE_MD5}.\n"
            f"Put the original into {folder / _FOLDERS[0]}, or remove this file to have it downloaded."
        )
    return ZipArchive(path, "tiny-imagenet-200")


def _images_of(tree: FileTree, word: str, num_train: int) -> list[str]:
    """Return the images of one class, by their numbers."""
    below = f"train/{word}/images"
    names = sorted(
        (name for name in tree.names(below) if name.endswith(".JPEG")),
        key=lambda name: (len(name), name),  # …_2 before …_10
    )
    needed = -(-num_train // _NUM_CLASSES)
    if len(names) < needed:
        raise UserError(
            f"{tree.place(below)} holds {len(names)} images, and data.num_train={num_train} takes {needed} "
            f"of each class. Put all of {ARCHIVE} there."
        )
    return [f"{below}/{name}" for name in names]


def _validation(tree: FileTree, words: Sequence[str], num_test: int) -> list[tuple[str, int]]:
    label_of = {word: label for label, word in enumerate(words)}
    lines = [line.split("\t") for line in tree.text("val/val_annotations.txt").splitlines()]
    files = [(f"val/images/{name}", label_of[word]) for name, word, *_ in lines if word in label_of]
    if len(files) < num_test:
        raise UserError(
            f"{tree.place('val/val_annotations.txt')} labels {len(files)} images, "
            f"and data.num_test={num_test} asks for more. Put all of {ARCHIVE} there."
        )
    return files[:num_test]


def _decode_all(tree: FileTree, files: Sequence[tuple[str, int]]) -> tuple[np.ndarray, np.ndarray]:
    def pixels(file: tuple[str, int]) -> np.ndarray:
        name, _ = file
        image = decode(tree.read(name), tree.place(name))
        if image.size != (_SIDE, _SIDE):
            width, height = image.size
            raise UserError(f"{tree.place(name)} has {width}×{height} pixels, expected {_SIDE}×{_SIDE}.")
        return to_array(image)

    arrays = np.empty((len(files), 3, _SIDE, _SIDE), dtype=np.uint8)
    with ThreadPoolExecutor(num_decoders()) as pool:
        for place, array in enumerate(pool.map(pixels, files)):
            arrays[place] = array
    return arrays, np.array([label for _, label in files])
