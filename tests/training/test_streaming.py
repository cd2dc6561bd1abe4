"""A set that is decoded as it is needed trains and evaluates as the same images in memory do."""

import math
from contextlib import AbstractContextManager

import numpy as np
import pytest
import torch

from sgdlab.config.datasets import ImageNetData
from sgdlab.config.models import CnnModel, MlpModel
from sgdlab.data import streaming
from sgdlab.data.examples import ResidentExamples
from sgdlab.data.made_up import made_up_dataset
from sgdlab.data.streaming import StreamedPipeline
from sgdlab.training import fit
from sgdlab.training.conductor import PackTask, TrainedRun
from sgdlab.training.fit import train_pack
from sgdlab.training.members import Member

NUM_TRAIN, NUM_TEST = 8, 5
IMAGES = made_up_dataset(ImageNetData(), NUM_TRAIN, NUM_TEST)


class InMemory(StreamedPipeline):
    """The oracle: the same images, decoded once and kept; without augmentation."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.train, self.test = (
            ResidentExamples(half.at(torch.arange(len(half.labels))), half.labels)
            for half in (self.train, self.test)
        )

    def train_batch(self, indices, draws):
        assert draws is None
        return self.train.inputs[indices], self.train.labels[indices]

    def prefetch(self, indices, draws) -> None:
        pass


def no_checkpoint(_) -> AbstractContextManager:
    raise AssertionError("this pack is never saved")


def trained(runs, backend: str) -> list[TrainedRun]:
    ended: dict[str, TrainedRun] = {}
    task = PackTask(len(runs), backend, "end", torch.device("cpu"), no_checkpoint, math.inf)
    members = [Member(str(slot), run) for slot, run in enumerate(runs)]
    train_pack(task, members, IMAGES, lambda run: ended.update({run.key: run}))
    return [ended[member.key] for member in members]


@pytest.fixture
def pack(make_run):
    """Return three runs, two of one seed."""

    def make(model, **data):
        images = ImageNetData(num_train=NUM_TRAIN, num_test=NUM_TEST, **data)
        settings = {"data": images, "model": model, "batch_size": 3, "num_updates": 5, "every": 2}
        return [make_run(seed=seed, lr=lr, **settings) for seed, lr in [(0, 2**-7), (1, 2**-8), (0, 2**-8)]]

    return make


@pytest.mark.parametrize(
    ("model", "backend"), [(CnnModel(channels=(2,)), "batched"), (MlpModel(hidden_widths=(2,)), "native-256")]
)
def test_a_streamed_set_trains_as_one_in_memory_to_the_bit(pack, monkeypatch, model, backend) -> None:
    runs = pack(model)
    monkeypatch.setattr(streaming, "_BLOCK", 3)
    streamed = trained(runs, backend)
    monkeypatch.setattr(fit, "make_pipeline", InMemory)
    for ours, expected in zip(streamed, trained(runs, backend), strict=True):
        for name, values in expected.parameters.items():
            assert torch.equal(ours.parameters[name], values)
        assert ours.curves.keys() == expected.curves.keys()
        for name, values in expected.curves.items():
            # a mean over blocks is the mean of all up to the roundings of a few sums
            np.testing.assert_allclose(ours.curves[name], values, rtol=1e-14, err_msg=name)


def test_augmented_members_do_not_depend_on_their_companions(pack) -> None:
    runs = pack(CnnModel(channels=(2,)), crop="random_resized", flip=True)
    together = trained(runs, "batched")
    slots = [2, 0, 1]
    for slot, run in zip(slots, trained([runs[slot] for slot in slots], "batched"), strict=True):
        for name, values in together[slot].parameters.items():
            assert torch.equal(run.parameters[name], values)
