"""Oracle: the texts cut into words by hand, and the numbers that every paper on Penn Treebank quotes."""

import hashlib
import io
import lzma
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sgdlab.config.datasets import PtbData
from sgdlab.data import ptb
from sgdlab.data.load import load_dataset
from sgdlab.data.pipeline import make_pipeline
from sgdlab.errors import UserError

TEXTS = {  # written as Mikolov's: a space before the first word and after the last
    "ptb.train.txt": " the cat <unk> \n a cat N \n the end \n",
    "ptb.valid.txt": " a <unk> end \n",
    "ptb.test.txt": " end the cat \n cat \n",
}
NUMBERS = {"the": 0, "cat": 1, "<unk>": 2, "<eos>": 3, "a": 4, "N": 5, "end": 6}  # as they first appear
TRAIN = [0, 1, 2, 3, 4, 1, 5, 3, 0, 6, 3]


@pytest.fixture
def small(tmp_path, monkeypatch) -> Path:
    """A data folder with three short texts, their checksums taken for the originals'."""
    contents = {name: hashlib.md5(text.encode()).hexdigest() for name, text in TEXTS.items()}
    monkeypatch.setattr(ptb, "PTB", replace(ptb.PTB, contents=contents))
    (tmp_path / "ptb").mkdir()
    for name, text in TEXTS.items():
        (tmp_path / "ptb" / f"{name}.xz").write_bytes(lzma.compress(text.encode()))
    return tmp_path


def test_windows_follow_each_other_and_labels_are_the_next_words(small: Path) -> None:
    arrays = ptb.read_windows(small, "valid", num_steps=5)
    assert arrays.train_inputs.tolist() == [TRAIN[0:5], TRAIN[5:10]]
    assert arrays.train_labels.tolist() == [TRAIN[1:6], TRAIN[6:11]]  # the very last word is a label
    assert ptb.read_windows(small, "valid", num_steps=6).train_inputs.tolist() == [TRAIN[:6]]
    assert ptb.read_windows(small, "valid", num_steps=3).test_inputs.tolist() == [[4, 2, 6]]


def test_the_held_out_text_is_chosen(small: Path) -> None:
    words = [NUMBERS[word] for word in ["end", "the", "cat", "<eos>", "cat", "<eos>"]]
    arrays = ptb.read_windows(small, "test", num_steps=2)
    assert arrays.test_inputs.tolist() == [words[0:2], words[2:4]]
    assert arrays.test_labels.tolist() == [words[1:3], words[3:5]]


def test_a_text_that_is_not_asked_for_is_not_needed(small: Path) -> None:
    whole = ptb.read_windows(small, "valid", num_steps=2)
    (small / "ptb" / "ptb.test.txt.xz").unlink()
    assert ptb.read_windows(small, "valid", num_steps=2).test_inputs.tolist() == whole.test_inputs.tolist()


def test_the_archive_is_read_as_it_is_published(small: Path) -> None:
    for path in (small / "ptb").iterdir():
        path.unlink()
    with tarfile.open(small / "ptb" / "simple-examples.tgz", "w:gz") as archive:
        for name, text in {"ptb.char.train.txt": "t h e", **TEXTS}.items():
            member = tarfile.TarInfo(f"./simple-examples/data/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    assert ptb.read_windows(small, "valid", 5).train_inputs.tolist() == [TRAIN[0:5], TRAIN[5:10]]


def test_another_text_is_refused(small: Path) -> None:
    path = small / "ptb" / "ptb.valid.txt"
    path.write_text(" another text \n")
    with pytest.raises(UserError, match=r"does not hold the original ptb\.valid\.txt of Penn Treebank"):
        ptb.read_windows(small, "valid", 5)


def test_words_stay_whole_numbers_on_their_way(small: Path) -> None:
    config = PtbData(num_steps=2, num_train=4, num_test=1)
    pipeline = make_pipeline(config, load_dataset(config, small), torch.device("cpu"), torch.float64)
    assert pipeline.num_draws == 0
    inputs, labels = pipeline.train_batch(torch.tensor([[3, 0], [1, 1]]), None)
    assert inputs.dtype == labels.dtype == torch.int64
    assert inputs.tolist() == [[TRAIN[6:8], TRAIN[0:2]], [TRAIN[2:4], TRAIN[2:4]]]
    assert labels.tolist() == [[TRAIN[7:9], TRAIN[1:3]], [TRAIN[3:5], TRAIN[3:5]]]
    ((inputs, labels),) = pipeline.test.blocks()
    assert inputs.tolist() == [[4, 2]]
    assert labels.tolist() == [[2, 6]]


# ---- the real files -------------------------------------------------------------------------------------


def test_real_texts_have_the_published_lengths_and_vocabulary(real_ptb: Path) -> None:
    words = ptb.read_windows(real_ptb, "valid", num_steps=1)
    test = ptb.read_windows(real_ptb, "test", num_steps=1)
    lengths = [len(half) + 1 for half in (words.train_inputs, words.test_inputs, test.test_inputs)]
    assert lengths == [929_589, 73_760, 82_430]
    assert len(set(words.train_inputs.flatten())) == PtbData.num_classes == 10_000
    assert max(words.test_inputs.max(), test.test_inputs.max()) < 10_000


@pytest.mark.parametrize("num_steps", [20, 35])
@pytest.mark.parametrize("held_out", ["valid", "test"])
def test_real_windows_are_as_many_as_the_configuration_says(real_ptb, num_steps, held_out) -> None:
    config = PtbData(num_steps=num_steps, held_out=held_out)
    dataset = load_dataset(config, real_ptb)
    assert dataset.train_inputs.shape == dataset.train_labels.shape == (config.num_train, num_steps)
    assert dataset.test_inputs.shape == dataset.test_labels.shape == (config.num_test, num_steps)
    assert torch.equal(dataset.train_inputs.flatten()[1:], dataset.train_labels.flatten()[:-1])
