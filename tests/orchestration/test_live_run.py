"""What a person sees while a pool works, and what the tracker gets, with a pool that is played."""

from __future__ import annotations

import numpy as np
import pytest

from sgdlab.config.components import (
    ConstantSchedule,
    CrossEntropyLoss,
    NoRegularizer,
    SgdOptimizer,
    UpdateBudget,
    UpdateEvaluation,
)
from sgdlab.config.datasets import DigitsData
from sgdlab.config.execution import Execution, NoTracker, WandbTracker
from sgdlab.config.identity import key_of_normalized, normalize
from sgdlab.config.models import MlpModel
from sgdlab.config.schema import Run
from sgdlab.errors import UserError
from sgdlab.launch.local import PoolStatus
from sgdlab.orchestration import live_run
from sgdlab.runs.attempts import Attempt
from sgdlab.runs.claims import claim
from sgdlab.runs.result import RunResult
from sgdlab.runs.store import Store
from sgdlab.sweeps.survey import survey_runs
from sgdlab.tracking import stored_runs

NUM_UPDATES = 1000


class Played:
    """A store with four wanted runs, and what a pool and its workers do to it."""

    def __init__(self, folder) -> None:
        self.store = Store(folder / "store")
        self.store.open_for_writing()
        runs = [normalize(_run(seed)) for seed in range(4)]
        self.runs = {key_of_normalized(run): run for run in runs}
        self.keys = list(self.runs)

    def publish(self, key, state="done"):
        with Attempt.start(self.store, "session", heartbeat_every_s=60) as attempt:
            claim(self.store, key, attempt)
            config = self.runs[key].model_dump(mode="json")
            diverged_at = 5 if state == "diverged" else None
            result = RunResult(key, state, config, {}, diverged_at or NUM_UPDATES, diverged_at, {})
            self.store.publish(attempt, result, {"updates": np.array([1]), "correct_best": np.array([1])})

    def fail(self, key):
        with Attempt.start(self.store, "session", heartbeat_every_s=60) as attempt:
            self.store.record_failure(attempt, key, "broken", attempt.log_path)


def _run(seed):
    return Run(
        seed=seed,
        data=DigitsData(),
        model=MlpModel(hidden_widths=(8,)),
        loss=CrossEntropyLoss(),
        regularizer=NoRegularizer(),
        optimizer=SgdOptimizer(lr=0.125, batch_size=8),
        schedule=ConstantSchedule(),
        budget=UpdateBudget(num_updates=NUM_UPDATES),
        evaluation=UpdateEvaluation(every_num_updates=50),
    )


@pytest.fixture
def played(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Played(tmp_path)


@pytest.fixture
def watch(played, monkeypatch):
    """Let a function play the pool (it gets `tell`); return the snapshots that were shown."""

    def run(pool, tracker=None, look_every_s=0.0):
        snapshots = []
        monkeypatch.setattr(live_run, "_LOOK_EVERY_S", look_every_s)
        monkeypatch.setattr(live_run.ProgressView, "update", lambda _, snapshot: snapshots.append(snapshot))

        class PlayedPool:
            def __init__(self, _plan, _store, _launcher, on_status):
                self.on_status = on_status

            def run(self):
                pool(lambda *numbers: self.on_status(PoolStatus(2, *numbers, elapsed_s=10.0)))

        monkeypatch.setattr(live_run, "LocalPool", PlayedPool)
        found = survey_runs(played.runs, played.store, len(played.runs))
        contexts = dict.fromkeys(played.runs)
        live_run.train_with_view(
            ["x"], found, contexts, Execution(tracker=tracker or NoTracker()), played.store
        )
        return snapshots

    return run


def _share(snapshot):
    return snapshot.updates_done, snapshot.updates_total


def test_updates_of_earlier_commands_count_as_done_not_as_made(played, watch):
    def pool(tell):
        tell(0, 0, 0)
        tell(4, 0, 4 * 600)  # all four go on from a checkpoint at 600
        tell(4, 4 * 100, 4 * 700)
        for key in played.keys:
            played.publish(key)
        tell(0, 4 * 400, 0)

    start, resumed, later, end, last = watch(pool)
    assert _share(start) == (0, 4000)
    assert _share(resumed) == (0, 1600)
    assert _share(later) == (400, 1600)
    assert later.updates_per_s == 40  # made in these ten seconds: 400 of the 2800
    assert _share(end) == _share(last) == (1600, 1600)
    assert (last.num_done, last.num_running, last.num_workers) == (4, 0, 2)


def test_a_run_whose_slot_is_filled_again_at_once_is_seen_to_have_ended(played, watch):
    """As many are running as before, and the store is looked at in between only when a run has ended."""

    def pool(tell):
        tell(2, 0, 0, [])
        tell(2, 1000, 1000, [])
        played.publish(played.keys[0])
        tell(2, 2000, 1000, ["a"])  # of the one that goes on; the other has given its slot to the third

    _, before, after, *_ = watch(pool, look_every_s=1e9)
    assert (_share(before), before.num_done) == ((1000, 4000), 0)
    assert (_share(after), after.num_done) == ((2000, 4000), 1)


def test_diverged_and_failed_runs_leave_nothing_to_be_done(played, watch):
    def pool(tell):
        first, second, third, fourth = played.keys
        tell(4, 0, 0)
        played.publish(first, "diverged")
        played.fail(second)
        tell(2, 128, 2 * 32)
        played.publish(third)
        played.publish(fourth)

    *_, middle, last = watch(pool)
    assert (middle.num_done, middle.num_diverged, middle.num_failed) == (0, 1, 1)
    assert _share(middle) == (128, 128 + 2 * 1000 - 2 * 32)
    assert (last.num_done, last.num_diverged, last.num_failed) == (2, 1, 1)
    assert _share(last) == (128, 128)


def test_runs_that_other_commands_train_are_seen(played, watch):
    def pool(tell):
        for key in played.keys:
            played.publish(key)
            tell(0, 0, 0)

    snapshots = watch(pool)
    assert [snapshot.num_done for snapshot in snapshots] == [1, 2, 3, 4, 4]
    assert _share(snapshots[-1]) == (0, 0)


def test_every_run_is_exported_once_those_of_earlier_commands_too(played, watch, monkeypatch, tmp_path):
    exported = []
    monkeypatch.setattr(live_run, "exported_keys", lambda _: {played.keys[0]})
    monkeypatch.setattr(
        stored_runs, "export_run", lambda result, curves, *_: exported.append((result.key, [*curves]))
    )
    played.publish(played.keys[0])
    played.publish(played.keys[1])

    def pool(tell):
        tell(2, 0, 0)
        played.publish(played.keys[2])
        tell(1, 0, 0)
        played.publish(played.keys[3])

    watch(pool, WandbTracker(folder=tmp_path))
    assert sorted(exported) == sorted((key, ["updates"]) for key in played.keys[1:])


def test_a_tracker_that_refuses_does_not_stop_training(played, watch, monkeypatch, tmp_path):
    tries = []

    def refuse(result, *_):
        tries.append(result.key)
        raise UserError("W&B is out of reach")

    monkeypatch.setattr(live_run, "exported_keys", lambda _: set())
    monkeypatch.setattr(stored_runs, "export_run", refuse)

    def pool(tell):
        for key in played.keys:
            played.publish(key)
            tell(0, 0, 0)

    with pytest.raises(UserError, match="W&B is out of reach"):
        watch(pool, WandbTracker(folder=tmp_path))
    assert all(map(played.store.has_result, played.keys))
    assert len(tries) == 2  # once while training, once when it had ended
