"""A default changes: the tests change `SgdOptimizer.order`'s, as a release of the package would."""

from functools import partial

import pytest

from sgdlab.config import identity
from sgdlab.config.components import SgdOptimizer
from sgdlab.config.identity import key_of
from sgdlab.config.schema import Run
from sgdlab.errors import UserError
from sgdlab.runs.attempts import Attempt
from sgdlab.runs.drift import DriftError, refuse_drift
from sgdlab.runs.index import Index
from sgdlab.runs.migrate import migrate


@pytest.fixture
def publish(store, curves):
    def publish(result):
        with Attempt.start(store, "session", heartbeat_every_s=60) as attempt:
            assert store.publish(attempt, result, curves)
        return result

    return publish


@pytest.fixture
def change_default(monkeypatch):
    """Make `order="fixed"` the default of the schema, where it was "shuffled"."""

    def change(field="order", default="fixed"):
        monkeypatch.setattr(SgdOptimizer.model_fields[field], "default", default)
        SgdOptimizer.model_rebuild(force=True)
        Run.model_rebuild(force=True)

    yield change
    monkeypatch.undo()
    SgdOptimizer.model_rebuild(force=True)
    Run.model_rebuild(force=True)


def _stated(result):
    return key_of(Run.model_validate(result.config))


def test_nothing_moves_while_no_default_has_changed(store, publish, make_result):
    publish(make_result())
    assert migrate(store) == []
    assert store.has_result(make_result().key)


def test_a_run_gets_the_key_that_states_the_old_default(
    store, publish, make_result, curves, change_default, tmp_path
):
    result = publish(make_result())
    change_default()
    planned = make_result()
    assert planned.key == result.key  # the trap: another training under the same key
    with pytest.raises(
        DriftError, match=r"optimizer.order: stored 'shuffled', planned 'fixed'\n.*sgdlab migrate"
    ):
        refuse_drift(planned.key, store.read_result(planned.key).config, planned.config)

    new = make_result(order="shuffled").key
    assert new != result.key
    assert migrate(store) == [(result.key, new)]
    moved = store.read_result(new)
    assert (moved.key, moved.config, moved.summary) == (new, result.config, result.summary)
    assert moved.provenance["migrated_from"] == [result.key]
    assert store.read_curves(new).keys() == curves.keys()
    assert not store.has_result(planned.key)
    refuse_drift(new, moved.config, make_result(order="shuffled").config)
    assert migrate(store) == []
    with Index(store, tmp_path / "cache") as index:
        assert list(index.lookup([result.key, new])) == [new]


def test_a_run_that_is_in_the_way_moves_first(store, publish, make_result, change_default):
    """The run that stated the new default takes the key of the one that had the old."""
    had_old, stated_new = (
        publish(make_result(accuracy=0.25)),
        publish(make_result(order="fixed", accuracy=0.75)),
    )
    change_default()
    now_stated = make_result(order="shuffled").key
    assert migrate(store) == [(had_old.key, now_stated), (stated_new.key, had_old.key)]
    assert store.read_result(now_stated).summary["test_accuracy.best"] == 0.25
    assert store.read_result(make_result().key).summary["test_accuracy.best"] == 0.75
    assert store.read_result(make_result().key).config["optimizer"]["order"] == "fixed"


def test_another_run_is_never_overwritten(store, publish, make_result, change_default, names_in):
    old, bystander = publish(make_result()), publish(make_result(seed=1))
    change_default()
    publish(make_result(order="shuffled"))
    with pytest.raises(UserError, match=f"{old.key} is to become .* which is taken.* remove one of the two"):
        migrate(store)
    assert store.has_result(old.key)
    assert store.has_result(bystander.key)  # nothing has moved at all


def test_two_runs_that_would_become_one_both_stay(store, publish, make_result, change_default, monkeypatch):
    first = publish(make_result())
    change_default()
    second = publish(make_result(order="shuffled"))
    monkeypatch.setattr(identity, "SCHEMA_VERSION", 2)
    with pytest.raises(UserError, match="which is taken"):
        migrate(store)
    assert sorted(store.every_key()) == sorted([first.key, second.key])


def test_a_revised_component_is_no_changed_default(store, publish, make_result, monkeypatch):
    """What was trained before the revision must not become the result of what is trained since."""
    old = publish(make_result())
    monkeypatch.setattr(SgdOptimizer, "revision", 2)
    assert make_result().key != old.key
    assert migrate(store) == []
    assert not store.has_result(make_result().key)
    revised = publish(make_result())
    monkeypatch.setattr(SgdOptimizer, "revision", 1)
    assert migrate(store) == []
    assert store.has_result(revised.key)


def test_a_new_schema_version_moves_every_run(store, publish, make_result, monkeypatch):
    old = [publish(make_result(seed)).key for seed in range(3)]
    monkeypatch.setattr(identity, "SCHEMA_VERSION", 2)
    new = [make_result(seed).key for seed in range(3)]
    assert sorted(migrate(store)) == sorted(zip(old, new, strict=True))
    assert [store.has_result(key) for key in old + new] == [False] * 3 + [True] * 3


def test_what_has_no_key_today_stays(store, publish, make_result, change_default):
    damaged, unknown, failed = publish(make_result(0)), publish(make_result(1)), make_result(2)
    store.result_path(damaged.key).write_bytes(b"{")
    path = store.result_path(unknown.key)
    path.write_text(path.read_text().replace('"inner_steps"', '"steps_inside"'))
    with Attempt.start(store, "session", heartbeat_every_s=60) as attempt:
        store.record_failure(attempt, failed.key, "error", attempt.log_path)
    change_default()
    assert migrate(store) == []
    assert sorted(store.every_key()) == sorted([damaged.key, unknown.key, failed.key])


def test_killed_at_any_operation_a_migration_reads_well_and_goes_on(
    store, publish, make_result, change_default, in_child, curves
):
    for seed in range(2):
        publish(make_result(seed, accuracy=0.25))
        publish(make_result(seed, accuracy=0.75, order="fixed"))
    change_default()
    expected = {make_result(seed, order="shuffled").key: 0.25 for seed in range(2)}
    expected |= {make_result(seed).key: 0.75 for seed in range(2)}
    num_moves_seen = set()
    for operation in range(1, 200):
        status = in_child(partial(migrate, store), die_at=3 * operation)  # each goes a little further
        accuracies = {key: store.read_result(key).summary["test_accuracy.best"] for key in store.every_key()}
        assert sorted(accuracies.values()) == [0.25, 0.25, 0.75, 0.75]
        assert all(store.read_curves(key).keys() == curves.keys() for key in accuracies)
        num_moves_seen.add(sum(accuracies.get(key) == value for key, value in expected.items()))
        if status == 0:
            break
    assert status == 0
    assert accuracies == expected
    assert len(num_moves_seen) >= 3  # it was interrupted between moves
    for key in expected:
        assert f'"key": "{key}"' in store.result_path(key).read_text()
    assert migrate(store) == []
