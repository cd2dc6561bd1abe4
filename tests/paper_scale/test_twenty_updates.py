"""Each kind of training that the papers ask for makes twenty updates, through the engine that workers use."""

from __future__ import annotations

import math
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from sgdlab.models.build import build_network
from sgdlab.training import population
from sgdlab.training.conductor import PackTask
from sgdlab.training.fit import train_pack
from sgdlab.training.members import Member
from sgdlab.training.streams import stream

NUM_UPDATES = 20


class Recording:
    """A backend that notes what it was given and what came of it."""

    def __init__(self, backend) -> None:
        self.backend, self.rates, self.losses = backend, [], []

    def advance(self, state, batches, rates):
        losses = self.backend.advance(state, batches, rates)
        self.rates += rates.flatten().tolist()
        self.losses += losses.flatten().tolist()
        return losses


@pytest.fixture
def train_twenty(monkeypatch, tmp_path, examples_of):
    """Train a run as a worker does, and stop it after twenty updates: the backend's record, what is saved."""

    def train(run):
        made = []
        make_backend = population.make_backend

        def make_recording(*arguments):
            made.append(Recording(make_backend(*arguments)))
            return made[-1]

        @contextmanager
        def checkpoint(_progress):
            yield tmp_path / "checkpoint"

        monkeypatch.setattr(population, "make_backend", make_recording)
        monkeypatch.setattr(population, "MAX_UPDATES_PER_CHUNK", 1)  # stops are heard between chunks
        task = PackTask(
            width=1,
            backend="batched",
            statistics="end",
            device=torch.device("cpu"),
            new_checkpoint=checkpoint,
            checkpoint_every_s=math.inf,
        )
        asked = iter(range(1, NUM_UPDATES + 1))
        ended = []
        train_pack(
            task,
            [Member("one", run)],
            examples_of(run.data),
            hand_out=ended.append,
            stop_requested=lambda: next(asked) == NUM_UPDATES,
        )
        assert not ended, f"diverged at update {ended[0].diverged_at}"
        (recording,) = made
        saved = torch.load(tmp_path / "checkpoint", weights_only=True)["members"]["one"]
        (tmp_path / "checkpoint").unlink()
        return recording, saved

    return train


def test_it_trains(train_twenty, kind):
    run = kind.run
    if run.loss.kind == "squared_error":  # sweeps/lssr2022/_section4.yaml
        with pytest.raises(AssertionError, match=r"diverged at update [123]"):
            train_twenty(run)
        return
    assert run.schedule == kind.paper_run.schedule
    assert run.num_updates == kind.paper_run.num_updates
    recording, saved = train_twenty(run)
    assert saved["update"] == NUM_UPDATES
    assert len(recording.losses) == NUM_UPDATES
    assert np.isfinite(recording.losses).all()
    # every schedule of the papers holds its first rate for longer than that
    np.testing.assert_allclose(recording.rates, np.full(NUM_UPDATES, run.optimizer.lr), rtol=1e-7)

    initial = build_network(run.model, run.data).initial_parameters(stream(run.seed, "init"))
    for name, start in initial.items():
        values = saved["parameters"][name]
        assert values.isfinite().all(), name
        assert values.shape == start.shape
        assert not torch.equal(values, start.to(values)), f"{name} has not moved"

    curves = saved["recorder"]["rows"]
    assert saved["recorder"]["updates"] == [NUM_UPDATES]
    assert {"train_loss", "test_loss"} <= curves.keys()
    assert all(np.isfinite(values).all() for values in curves.values())
