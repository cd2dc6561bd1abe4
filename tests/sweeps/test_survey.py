"""What is wanted beside what is stored: done, diverged, failed, damaged, drifted."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sgdlab.config.components import HoldThenDecaySchedule
from sgdlab.config.landscape import METRICS
from sgdlab.config.shapes import shape_of
from sgdlab.runs.attempts import Attempt
from sgdlab.runs.claims import claim
from sgdlab.runs.drift import DriftError
from sgdlab.runs.result import RunResult
from sgdlab.runs.store import Store
from sgdlab.sweeps.expand import expand
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
        "unknown": 0,
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


@pytest.mark.parametrize("num_evaluations", [1, 30, 1000])
def test_curves_of_the_landscape_take_room(load, small, composer, store, tmp_path, num_evaluations):
    """As much as they take in numpy's archive, and their best and last values as JSON."""
    small["base"] |= {"budget": "updates", "budget.num_updates": num_evaluations, "evaluation": "updates"}
    del small["base"]["budget.num_epochs"]
    small["base"]["evaluation.every_num_updates"] = 1
    without = survey([load(small)], composer, store)
    measured = {"landscape": "measured", "landscape.quantities": [*METRICS]}
    with_it = survey([load(small | {"base": small["base"] | measured})], composer, store)
    more = (with_it.num_bytes - without.num_bytes) / len(without.missing)
    names = [name for quantity in METRICS.values() for name in quantity]
    generator = np.random.default_rng(0)
    curves = {name: generator.normal(size=num_evaluations) for name in names}
    np.savez_compressed(tmp_path / "curves.npz", **curves)
    summary = {f"{name}.{which}": curves[name][0] for name in names for which in ("best", "final")}
    taken = (tmp_path / "curves.npz").stat().st_size + len(json.dumps(summary))
    assert more == pytest.approx(taken, rel=0.1)
