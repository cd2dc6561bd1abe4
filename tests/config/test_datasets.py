"""Data sets that are not images held in memory: their sizes, their keys, and what they refuse."""

import pytest

from sgdlab.config.compose import validate_run
from sgdlab.config.datasets import ImageNetData, PtbData
from sgdlab.config.identity import key_of
from sgdlab.config.schema import Run
from sgdlab.config.shapes import describe_step, step_of
from sgdlab.errors import UsageError


@pytest.mark.parametrize(
    ("num_steps", "held_out", "num_train", "num_test"),
    [
        (20, "valid", 46_479, 3687),  # (929,589 − 1)/20 and (73,760 − 1)/20, rounded down
        (35, "test", 26_559, 2355),  # (82,430 − 1)/35
        (1, "test", 929_588, 82_429),
    ],
)
def test_penn_treebank_has_as_many_windows_as_its_texts_hold(num_steps, held_out, num_train, num_test):
    data = PtbData(num_steps=num_steps, held_out=held_out)
    assert (data.num_train, data.num_test) == (data.max_train, data.max_test) == (num_train, num_test)
    assert data.sample_shape == (num_steps,)
    assert PtbData(num_steps=num_steps, num_train=3).num_train == 3
    assert PtbData(num_steps=num_steps, num_train=3).max_train == num_train


@pytest.fixture
def keys(default_run):
    """Return the key of a run on such data."""
    return lambda data: key_of(default_run.model_copy(update={"data": data}))


def test_all_windows_are_all_windows_whether_they_are_counted_or_not(keys):
    assert keys(PtbData()) == keys(PtbData(num_train=46_479, num_test=3687))
    assert keys(PtbData(num_steps=35)) == keys(PtbData(num_steps=35, num_train=26_559, num_test=2107))
    others = [PtbData(), PtbData(num_steps=35), PtbData(held_out="test"), PtbData(num_train=46_478)]
    assert len({keys(data) for data in others}) == len(others)


def test_what_is_done_to_imagenet_moves_the_key_and_is_part_of_the_step(keys, default_run):
    variants = [
        ImageNetData(),
        ImageNetData(crop="random_resized"),
        ImageNetData(flip=True),
        ImageNetData(standardize="none"),
    ]
    assert len({keys(data) for data in variants}) == len(variants)
    runs = [default_run.model_copy(update={"data": data}) for data in variants]
    assert len({step_of(run) for run in runs}) == len(runs)
    assert ["augmented" in describe_step(run) for run in runs] == [False, True, True, False]


def test_an_lstm_s_step_is_told_from_others_by_its_windows(run_of):
    long = ["data=ptb", "model=lstm", "optimizer.order=sequential", "data.num_steps=35"]
    assert describe_step(run_of(*long)) == "lstm 2×200 over 35 steps · ptb · B=16"
    dropping = run_of(*long, "model.dropout=0.5")
    assert describe_step(dropping) == "lstm 2×200 over 35 steps dropout · ptb · B=16"
    assert len({step_of(run_of(*long)), step_of(dropping), step_of(run_of(*long, "data.num_steps=20"))}) == 3


def test_an_epoch_of_a_sequential_order_is_whole_minibatches(run_of):
    budget = ["data.num_train=103", "optimizer.batch_size=20", "budget.num_epochs=13"]
    assert run_of(*budget).num_updates == 66  # 13·103/20 = 66.95
    assert run_of(*budget).updates_per_epoch == 5.15
    assert run_of(*budget, "optimizer.order=sequential").num_updates == 13 * 5
    assert run_of(*budget, "optimizer.inner_steps=2").updates_per_epoch == 10.3


REFUSED = {
    "more windows than the text has": (
        ["data=ptb", "data.num_train=46480"],
        "data.num_train=46480: ptb.train.txt has 46479 windows of data.num_steps=20 words",
    ),
    "more than the text that is held out has": (
        ["data=ptb", "data.num_steps=35", "data.held_out=test", "data.num_test=2356"],
        "data.num_test=2356: ptb.test.txt has 2355 windows of data.num_steps=35 words",
    ),
    "windows of no words": (
        ["data=ptb", "data.num_steps=0"],
        "data.num_steps=0: input should be greater than or equal to 1",
    ),
    "another text": (
        ["data=ptb", "data.held_out=train"],
        "data.held_out='train': input should be 'valid' or 'test'",
    ),
    "mirrored words": (["data=ptb", "+data.flip=true"], "data.flip is not a key: data is ptb"),
    "cropped words": (
        ["data=ptb", "+data.crop_padding=2"],
        "data.crop_padding is not a key: data is ptb",
    ),
    "standardised words": (
        ["data=ptb", "+data.standardize=none"],
        "data.standardize is not a key: data is ptb",
    ),
    "words as numbers": (["data=ptb"], "model=mlp needs images or signals, and data=ptb has neither"),
    "words as images": (["data=ptb", "model=cnn"], "model=cnn needs images, and data=ptb has none"),
    "padding of images of any size": (
        ["data=imagenet", "+data.crop_padding=4"],
        "data.crop_padding is not a key: data is imagenet, and ",
    ),
    "a landscape over files": (
        ["data=imagenet", "model=cnn", "landscape=measured"],
        "landscape=measured goes through the examples again and again, and those of data=imagenet are not "
        "held in memory; use landscape=none",
    ),
    "more images than there are": (
        ["data=imagenet", "data.num_test=50001"],
        "data.num_test=50001: input should be less than or equal to 50000",
    ),
}


@pytest.mark.parametrize(("overrides", "message"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_one_message(composer, overrides, message):
    with pytest.raises(UsageError) as caught:
        validate_run(composer, composer.parse(overrides), "here")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["cifar100", "stl10", "tiny_imagenet", "imagenet"])
def test_every_set_of_images_trains_a_convolutional_network(run_of, name):
    run = run_of(f"data={name}", "model=cnn")
    assert isinstance(run, Run)
    assert run.data.is_augmented
    assert run.data.num_train == run.data.max_train
