"""The layout that everybody uses, in small: three classes of unequal size."""

from pathlib import Path

import pytest

from sgdlab.config.datasets import ImageNetData
from sgdlab.data import imagenet
from sgdlab.data.load import load_dataset
from sgdlab.errors import UserError

SIZES = {"n01": 3, "n02": 1, "n03": 2}


@pytest.fixture(autouse=True)
def three_classes(monkeypatch):
    monkeypatch.setattr(imagenet, "_NUM_CLASSES", len(SIZES))


@pytest.fixture
def folder(tmp_path) -> Path:
    """A data folder; what the files hold is their own name."""
    for half in ("train", "val"):
        for word, size in SIZES.items():
            (tmp_path / "imagenet" / half / word).mkdir(parents=True)
            for number in range(size):
                path = tmp_path / "imagenet" / half / word / f"{word}_{number}.JPEG"
                path.write_text(f"{half} {word} {number}")
    (tmp_path / "imagenet" / "train" / "n01.tar").write_bytes(b"what it was unpacked from")
    return tmp_path


def config(num_train: int = 6, num_test: int = 6) -> ImageNetData:
    return ImageNetData(num_train=num_train, num_test=num_test)


def test_files_are_listed_in_turns_over_the_classes_and_read_when_asked_for(folder: Path) -> None:
    images = load_dataset(config(num_test=4), folder)
    assert [images.train.read(index).decode() for index in range(len(images.train))] == [
        *("train n01 0", "train n02 0", "train n03 0"),
        *("train n01 1", "train n03 1"),
        "train n01 2",
    ]
    assert images.train_labels.tolist() == [0, 1, 2, 0, 2, 0]
    of_test = [images.test.read(index).decode() for index in range(4)]
    assert of_test == ["val n01 0", "val n02 0", "val n03 0", "val n01 1"]
    assert images.test_labels.tolist() == [0, 1, 2, 0]
    assert images.train.name(2) == str(folder / "imagenet" / "train" / "n03" / "n03_0.JPEG")


def test_the_checksum_knows_names_sizes_and_labels_of_what_is_used(folder: Path) -> None:
    def checksum(**sizes: int) -> str:
        return load_dataset(config(**sizes), folder).checksum

    whole, part = checksum(), checksum(num_train=4)
    assert len({whole, part, checksum(num_test=5)}) == 3
    (folder / "imagenet" / "train" / "n03" / "n03_1.JPEG").write_text("another content")
    assert checksum() != whole
    assert checksum(num_train=4) == part
    (folder / "imagenet" / "val" / "n02" / "n02_0.JPEG").rename(
        folder / "imagenet" / "val" / "n02" / "a.JPEG"
    )
    assert checksum(num_train=4) != part


def test_a_file_that_goes_away_is_named(folder: Path) -> None:
    images = load_dataset(config(), folder)
    path = folder / "imagenet" / "train" / "n02" / "n02_0.JPEG"
    path.unlink()
    with pytest.raises(UserError, match=rf"^{path} can't be read: No such file or directory\."):
        images.train.read(1)


def test_an_empty_class_is_named(folder: Path) -> None:
    (folder / "imagenet" / "val" / "n02" / "n02_0.JPEG").rename(folder / "n02_0.JPEG")
    with pytest.raises(UserError) as caught:
        load_dataset(config(), folder)
    empty = folder / "imagenet" / "val" / "n02"
    assert str(caught.value) == f"{empty} holds no .JPEG: put the images of this class there."


def test_too_few_images_are_counted(folder: Path) -> None:
    with pytest.raises(UserError, match=r"train holds 6 images, and data\.num_train=7 asks for more"):
        load_dataset(config(num_train=7), folder)


def test_validation_images_that_are_not_sorted_into_classes_are_refused(folder: Path) -> None:
    for path in (folder / "imagenet" / "val").rglob("*.JPEG"):
        path.rename(folder / "imagenet" / "val" / path.name)
    for word in SIZES:
        (folder / "imagenet" / "val" / word).rmdir()
    with pytest.raises(UserError, match=r"val holds 0 folders, expected one for each of the 3 classes"):
        load_dataset(config(), folder)


def test_halves_of_other_classes_are_refused(folder: Path) -> None:
    (folder / "imagenet" / "val" / "n03").rename(folder / "imagenet" / "val" / "n04")
    with pytest.raises(UserError, match=r"train and val don't have the same classes: n03, n04"):
        load_dataset(config(), folder)


def test_a_missing_half_is_one_message(folder: Path) -> None:
    (folder / "imagenet" / "val").rename(folder / "elsewhere")
    with pytest.raises(UserError, match=r"imagenet/val can't be read: No such file or directory"):
        load_dataset(config(), folder)


def test_without_imagenet_the_error_says_where_to_register(tmp_path) -> None:
    place = tmp_path / "imagenet"
    with pytest.raises(UserError) as caught:
        load_dataset(config(), tmp_path)
    assert str(caught.value) == (
        f"ImageNet is missing: there is no {place}/train.\n"
        f"Put the images into {place}/train/<class>/*.JPEG and {place}/val/<class>/*.JPEG, a folder for each "
        f"of the 3 classes, or name the data folder that has them: folders.data=FOLDER, or the environment "
        f"variable SGDLAB_DATA.\n"
        f"It can't be downloaded without an account: register at https://image-net.org/download.php "
        f"(ILSVRC 2012, task 1 and 2: training and validation images)."
    )
