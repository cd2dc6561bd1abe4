"""The original layout in small: three classes, and images that a test can tell apart."""

import hashlib
import io
import socket
import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from sgdlab.config.datasets import TinyImageNetData
from sgdlab.data import tiny_imagenet
from sgdlab.data.load import load_dataset
from sgdlab.errors import UserError

WORDS = ["n02", "n01", "n03"]  # wnids.txt is in no order
NUM_IMAGES = 12  # of each class, so that …_10 comes after …_9


def jpeg(value: int, side: int = 64, mode: str = "RGB") -> bytes:
    """Encode one colour, which survives it to a level or two."""
    buffer = io.BytesIO()
    Image.new(mode, (side, side), (value, 0, 0) if mode == "RGB" else value).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def value_of(word: str, number: int) -> int:
    return 10 + 60 * WORDS.index(word) + 5 * number


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """What the archive holds, by name."""
    found = {"wnids.txt": "\n".join(WORDS).encode(), "words.txt": b"n01\tgoldfish\n"}
    for word in WORDS:
        found[f"train/{word}/{word}_boxes.txt"] = b""
        for number in range(NUM_IMAGES):
            found[f"train/{word}/images/{word}_{number}.JPEG"] = jpeg(value_of(word, number))
    labels = ["n03", "n02", "n02", "n01"]
    found["val/val_annotations.txt"] = "".join(
        f"val_{number}.JPEG\t{word}\t0\t32\t44\t62\n" for number, word in enumerate(labels)
    ).encode()
    for number in range(4):
        found[f"val/images/val_{number}.JPEG"] = jpeg(200 + 10 * number, mode="L" if number == 2 else "RGB")
    found["test/images/test_0.JPEG"] = jpeg(1)
    return found


@pytest.fixture(autouse=True)
def three_classes(monkeypatch):
    monkeypatch.setattr(tiny_imagenet, "_NUM_CLASSES", len(WORDS))


@pytest.fixture
def folder(tmp_path, files) -> Path:
    """A data folder in which everything was unpacked."""
    for name, content in files.items():
        path = tmp_path / "tiny-imagenet-200" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path


@pytest.fixture
def archive(tmp_path, files, monkeypatch) -> Path:
    """A data folder with the archive, its checksum taken for the original's."""
    path = tmp_path / "tiny_imagenet" / "tiny-imagenet-200.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("tiny-imagenet-200/", b"")
        made.writestr("../outside.txt", b"")
        made.writestr(f"{tmp_path}/absolute.txt", b"")
        for name, content in files.items():
            made.writestr(f"tiny-imagenet-200/{name}", content)
    monkeypatch.setattr(tiny_imagenet, "ARCHIVE_MD5", hashlib.md5(path.read_bytes()).hexdigest())
    return tmp_path


def config(num_train: int = 36, num_test: int = 4) -> TinyImageNetData:
    return TinyImageNetData(num_train=num_train, num_test=num_test)


@pytest.mark.parametrize("form", ["folder", "archive"])
def test_images_are_read_in_turns_over_the_classes(request, form: str) -> None:
    dataset = load_dataset(config(), request.getfixturevalue(form))
    assert dataset.train_inputs.shape == (36, 3, 64, 64)
    assert dataset.train_labels.tolist() == [0, 1, 2] * 12
    expected = [value_of(word, number) for number in range(NUM_IMAGES) for word in WORDS]
    assert (dataset.train_inputs[:, 0, 30, 30].int() - torch.tensor(expected)).abs().max() <= 2
    assert dataset.train_inputs[:, 1:].max() <= 2
    assert dataset.test_labels.tolist() == [2, 0, 0, 1]
    assert (dataset.test_inputs[:, 0, 5, 5].int() - torch.tensor([200, 210, 220, 230])).abs().max() <= 2
    grey = dataset.test_inputs[2]
    assert (grey[0] == grey[1]).all()
    assert (grey[0] == grey[2]).all()


def test_folder_and_archive_hold_the_same(folder: Path, archive: Path) -> None:
    unpacked = load_dataset(config(), folder)
    (folder / "tiny-imagenet-200" / "wnids.txt").unlink()
    assert load_dataset(config(), archive).checksum == unpacked.checksum


def test_a_subset_is_balanced_and_part_of_the_whole(folder: Path) -> None:
    whole, part = load_dataset(config(), folder), load_dataset(config(num_train=7, num_test=2), folder)
    assert part.train_labels.bincount().tolist() == [3, 2, 2]
    assert (part.train_inputs == whole.train_inputs[:7]).all()
    assert (part.test_inputs == whole.test_inputs[:2]).all()


def test_nothing_of_an_archive_is_written_to_the_disk(archive: Path) -> None:
    def listed() -> list[str]:
        return sorted(str(path) for path in archive.parent.rglob("*"))

    before = listed()
    load_dataset(config(), archive)
    assert listed() == before


# ---- wrong, damaged, missing ----------------------------------------------------------------------------


def test_another_archive_is_refused_with_both_checksums(archive: Path) -> None:
    path = archive / "tiny_imagenet" / "tiny-imagenet-200.zip"
    content = path.read_bytes()
    path.write_bytes(content[:-1000])
    with pytest.raises(UserError) as caught:
        load_dataset(config(), archive)
    assert str(caught.value) == (
        f"{path} is not the original tiny-imagenet-200.zip of Tiny-ImageNet: its md5 is "
        f"{hashlib.md5(content[:-1000]).hexdigest()}, expected {tiny_imagenet.ARCHIVE_MD5}.\n"
        f"Put the original into {path.parent}, or remove this file to have it downloaded."
    )


@pytest.mark.parametrize(
    ("below", "content", "message"),
    [
        ("wnids.txt", b"n01\nn02\n", r"wnids\.txt names 2 classes, expected 3\."),
        ("train/n03/images/n03_0.JPEG", jpeg(3)[:300], r"n03_0\.JPEG can't be decoded: .*Replace it"),
        ("val/images/val_1.JPEG", b"", r"val_1\.JPEG can't be decoded: it is no image"),
        ("train/n01/images/n01_3.JPEG", jpeg(3, side=32), r"n01_3\.JPEG has 32×32 pixels, expected 64×64\."),
        (
            "val/val_annotations.txt",
            b"val_0.JPEG\tn03\t0\t32\t44\t62\n",
            r"val_annotations\.txt labels 1 images, and data\.num_test=4 asks for more",
        ),
    ],
)
def test_what_is_wrong_in_a_folder_is_one_message(folder: Path, below, content, message) -> None:
    (folder / "tiny-imagenet-200" / below).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        load_dataset(config(), folder)
    assert str(folder / "tiny-imagenet-200" / below) in str(caught.value)


@pytest.mark.parametrize("num_left", [0, 3])
def test_a_class_with_too_few_images_is_named(folder: Path, num_left: int) -> None:
    images = folder / "tiny-imagenet-200" / "train" / "n01" / "images"
    for path in sorted(images.iterdir())[num_left:]:
        path.unlink()
    with pytest.raises(UserError) as caught:
        load_dataset(config(num_train=10), folder)
    assert str(caught.value) == (
        f"{images} holds {num_left} images, and data.num_train=10 takes 4 of each class. "
        f"Put all of tiny-imagenet-200.zip there."
    )


def test_an_image_that_the_labels_name_and_nobody_has_is_one_message(folder: Path) -> None:
    path = folder / "tiny-imagenet-200" / "val" / "images" / "val_3.JPEG"
    path.unlink()
    with pytest.raises(UserError, match=rf"{path} can't be read: No such file"):
        load_dataset(config(), folder)
    load_dataset(config(num_test=3), folder)


def test_an_archive_that_lacks_a_file_says_which(archive: Path, monkeypatch) -> None:
    path = archive / "tiny_imagenet" / "tiny-imagenet-200.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("tiny-imagenet-200/words.txt", b"")
    monkeypatch.setattr(tiny_imagenet, "ARCHIVE_MD5", hashlib.md5(path.read_bytes()).hexdigest())
    with pytest.raises(UserError, match=r"tiny-imagenet-200\.zip holds no tiny-imagenet-200/wnids\.txt"):
        load_dataset(config(), archive)


def test_without_files_and_network_the_error_says_all_one_needs(tmp_path, monkeypatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{probe.getsockname()[1]}/"
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(tiny_imagenet, "URL", nowhere)
    with pytest.raises(UserError) as caught:
        load_dataset(config(), tmp_path)
    place = tmp_path / "tiny_imagenet"
    assert str(caught.value) == (
        f"Tiny-ImageNet is missing: {place} has neither wnids.txt nor tiny-imagenet-200.zip, "
        f"and the download failed ({nowhere}tiny-imagenet-200.zip can't be reached).\n"
        f"Put tiny-imagenet-200.zip, or what it holds, into {place}, or name the data folder that has it: "
        f"folders.data=FOLDER, or the environment variable SGDLAB_DATA.\n"
        f"It comes from {nowhere}tiny-imagenet-200.zip."
    )
