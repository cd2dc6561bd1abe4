"""What is wanted beside what is stored: done, diverged, failed, damaged, drifted; and forecasts."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from sgdlab.config.components import HoldThenDecaySchedule
from sgdlab.config.shapes import shape_of
from sgdlab.runs.attempts import Attempt
from sgdlab.runs.claims import claim
from sgdlab.runs.drift import DriftError
from sgdlab.runs.result import RunResult
from sgdlab.runs.store import Store
from sgdlab.sweeps.expand import expand
from sgdlab.sweeps.forecast import forecast
from sgdlab.sweeps.standing import standing_of
from sgdlab.sweeps.survey import survey, survey_runs

CURVES = {"updates": np.array([0, 8]), "test_accuracy": np.array([0.1, 0.5])}


@pytest.fixture
def attempt(store):
    with Attempt.start(store, "session", heartbeat_every_s=60) as attempt:
        yield attempt


@pytest.fixture
def publish(store, attempt):
    def publish_one(key, run, state="done", **changes):
        result = RunResult(
            key=key,
            state=state,
            config=run.model_dump(mode="json"),
            summary={"test_accuracy.best": 0.5},
            num_updates=run.num_updates,
            diverged_at=None if state == "done" else 3,
            provenance={"shape": shape_of(run), "pack_width": 4, "seconds_per_update": 0.5, "device": "cpu"},
        )
        assert store.publish(attempt, replace(result, **changes), CURVES)

    return publish_one


@pytest.fixture
def wanted(load, small, composer):
    return {row.key: row.run for row in expand(load(small), composer)}


def test_an_empty_store_misses_everything_and_shared_runs_count_once(load, small, composer, store):
    found = survey([load(small)], composer, store)
    assert found.num_asked == (3 + 2) * 3
    assert len(found.wanted) == len(found.missing) == (3 + 1) * 3  # λ = 0 is a point of the other grid
    assert (found.stored, found.damaged, found.failed) == ({}, [], [])
    assert found.num_updates_missing == 12 * 16
    assert found.num_files == 24


def test_two_sweeps_share_their_runs(load, small, composer, store):
    first = load(small)
    second = load(small, "optimizer.lr=2**-4,2**-1")
    both = survey([first, second], composer, store)
    assert both.num_asked == (3 + 2) * 3 + (2 + 2) * 3
    assert len(both.wanted) == (3 + 1 + 1) * 3
    assert list(both.wanted)[:9] == [row.key for row in expand(first, composer)][:9]


def test_each_run_is_in_one_state(store, wanted, publish, attempt):
    keys = list(wanted)
    publish(keys[0], wanted[keys[0]])
    publish(keys[1], wanted[keys[1]], state="diverged")
    store.record_failure(attempt, keys[2], "Traceback\nOutOfMemory: 3 GB", store.root / "log")
    publish(keys[3], wanted[keys[3]])
    store.result_path(keys[3]).write_text("{")
    assert claim(store, keys[4], attempt)
    found = survey_runs(wanted, store, len(wanted))
    assert {key: run.state for key, run in found.stored.items()} == {keys[0]: "done", keys[1]: "diverged"}
    assert (found.failed, found.damaged) == ([keys[2]], [keys[3]])
    assert list(found.missing) == keys[4:]

    standing = standing_of(found, store)
    assert standing.counts == {
        "done": 1,
        "diverged": 1,
        "running": 1,
        "interrupted": 0,
        "failed": 1,
        "damaged": 1,
        "waiting": len(wanted) - 5,
    }
    assert sum(standing.counts.values()) == len(wanted)
    assert [(failure.key, failure.error) for failure in standing.failures] == [(keys[2], "OutOfMemory: 3 GB")]
    assert json.loads(json.dumps(standing.to_dict()))["failures"][0]["log"] == str(store.root / "log")

    attempt.end("stopped")
    assert standing_of(found, store).counts["interrupted"] == 1


def test_a_stored_run_of_another_configuration_is_refused_with_the_difference(store, wanted, publish):
    key, run = next(iter(wanted.items()))
    decayed = run.model_copy(update={"schedule": HoldThenDecaySchedule(factor=4.0)})
    old = decayed.model_dump(mode="json")
    planned = decayed.model_copy(update={"schedule": HoldThenDecaySchedule(factor=2.0)})
    publish(key, decayed, config=old)  # as if the default had been 4 when it was trained
    with pytest.raises(DriftError) as refused:
        survey_runs({**wanted, key: planned}, store, len(wanted))
    assert str(refused.value) == (
        f"the stored run {key} isn't the one that is planned under this key:\n"
        "  schedule.factor: stored 4.0, planned 2.0\n"
        "A default has changed since it was trained. `sgdlab migrate` gives stored runs the key that states "
        "the old value; then plan again"
    )


def test_a_field_added_since_with_the_old_behaviour_is_no_drift(store, wanted, publish, monkeypatch):
    key, run = next(iter(wanted.items()))
    config = run.model_dump(mode="json")
    del config["optimizer"]["remainder"]  # as stored before there was such a field
    publish(key, run, config=config)
    assert list(survey_runs({key: run}, store, 1).stored) == [key]
    monkeypatch.setattr(Store, "read_result", lambda *_: pytest.fail("what agreed once is read again"))
    assert list(survey_runs({key: run}, store, 1).stored) == [key]


# ---- forecasts ------------------------------------------------------------------------------------------


def test_the_time_is_unknown_until_every_shape_was_measured(store, wanted, publish):
    first = survey_runs(wanted, store, 15)
    dry = forecast(first, store, pack_size=4, num_workers=2)
    assert dry.device_hours is None
    assert (dry.num_asked, dry.num_distinct, dry.num_to_train, dry.num_packs) == (15, 12, 12, 4)
    assert "time        unknown" in "\n".join(dry.lines())

    plain = [key for key, run in wanted.items() if run.regularizer.kind == "none"]
    penalized = [key for key in wanted if key not in plain]
    publish(plain[0], wanted[plain[0]])
    assert forecast(survey_runs(wanted, store, 15), store, 4, 2).device_hours is None
    publish(penalized[0], wanted[penalized[0]], state="diverged")
    now = forecast(survey_runs(wanted, store, 15), store, 4, 2)
    # 10 runs of 16 updates, at half a second for a pack of four
    assert now.device_hours is not None
    assert math.isclose(now.device_hours, 10 * 16 * 0.5 / 4 / 3600)
    assert (now.num_done, now.num_diverged, now.num_to_train, now.num_updates) == (1, 1, 10, 160)
    assert json.loads(json.dumps(now.to_dict()))["num_workers"] == 2


def test_a_forecast_for_people(store, wanted, publish, attempt):
    keys = list(wanted)
    publish(keys[0], wanted[keys[0]])
    store.record_failure(attempt, keys[1], "error", store.root / "log")
    lines = list(forecast(survey_runs(wanted, store, 15), store, 4, 2).lines())
    assert lines[:4] == [
        "runs        12 (15 asked for, 3 shared by grids)",
        "stored      1 done, 0 diverged",
        "            1 failed, 0 damaged: `sgdlab retry`",
        "to train    10 in 3 packs, 160 updates",
    ]


def test_nothing_left_to_train_needs_no_forecast(store, wanted, publish):
    for key, run in wanted.items():
        publish(key, run)
    done = forecast(survey_runs(wanted, store, 15), store, 4, 2)
    assert (done.num_packs, done.num_updates, done.num_workers) == (0, 0, 1)
    assert len(list(done.lines())) == 3


@pytest.mark.parametrize(
    ("estimator", "activation", "is_doubtful"),
    [
        ("exact", "relu", False),
        ("forward_difference", "relu", True),
        ("central_difference", "relu", True),
        ("forward_difference", "tanh", False),
        ("central_difference", "gelu", False),
    ],
)
def test_differences_across_kinks_are_cautioned_against(store, wanted, estimator, activation, is_doubtful):
    (penalised, plain) = (
        next(run for run in wanted.values() if run.regularizer.kind == kind)
        for kind in ("gradient_norm", "none")
    )
    doubtful = penalised.model_copy(
        update={
            "regularizer": penalised.regularizer.model_copy(update={"estimator": estimator}),
            "model": penalised.model.model_copy(update={"activation": activation}),
        }
    )
    planned = forecast(survey_runs({"a": plain, "b": doubtful}, store, 2), store, 4, 1)
    assert planned.num_doubtful_penalties == is_doubtful
    cautions = [line for line in planned.lines() if line.startswith("caution")]
    expected = "caution     1 run: finite differences with ReLU are unreliable (docs/penalty.md)"
    assert cautions == [expected] * is_doubtful
