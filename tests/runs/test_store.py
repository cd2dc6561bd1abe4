import errno
import json
import os
import re
from functools import partial

import numpy as np
import pytest

from sgdlab.errors import UserError
from sgdlab.runs import files
from sgdlab.runs.attempts import Attempt
from sgdlab.runs.claims import claim
from sgdlab.runs.cleaning import remove_spent_attempts
from sgdlab.runs.files import StoreError
from sgdlab.runs.journal import read_new
from sgdlab.runs.observer import Observer
from sgdlab.runs.result import DamagedRunError, NoResultError
from sgdlab.runs.store import Store


@pytest.fixture
def published(store, attempt, make_result, curves):
    result = make_result()
    assert claim(store, result.key, attempt)
    assert store.publish(attempt, result, curves)
    return result


def test_what_was_published_is_read_back(store, published, curves):
    result = store.read_result(published.key)
    assert (result.summary, result.config) == (published.summary, published.config)
    read = store.read_curves(published.key)
    assert read.keys() == curves.keys()
    for name in curves:
        np.testing.assert_array_equal(read[name], curves[name])


def test_a_published_run_has_two_files(store, published, attempt, names_in):
    assert names_in(store.run_folder(published.key)) == [f"curves-{attempt.id}.npz", "result.json"]


def test_weights_move_into_the_folder_as_the_third_file(store, attempt, make_result, curves, names_in):
    result = make_result()
    weights = attempt.folder / "member-0.pt"
    weights.write_bytes(b"weights")
    assert store.publish(attempt, result, curves, weights)
    assert store.weights_path(result.key).read_bytes() == b"weights"
    assert not weights.exists()
    assert len(names_in(store.run_folder(result.key))) == 3


def test_a_number_that_is_not_finite_is_stored_as_null(store, attempt, make_result, curves):
    result = make_result()
    diverged = type(result)(
        **{**vars(result), "state": "diverged", "diverged_at": 7, "summary": {"train_loss.final": np.inf}}
    )
    store.publish(attempt, diverged, curves)
    assert json.loads(store.result_path(result.key).read_bytes())["summary"] == {"train_loss.final": None}
    assert store.read_result(result.key).diverged_at == 7


def test_the_second_to_publish_changes_nothing_and_leaves_nothing(
    store, published, make_result, curves, names_in
):
    before = names_in(store.run_folder(published.key))
    with Attempt.start(store, "session", heartbeat_every_s=60) as late:
        assert not store.publish(late, make_result(accuracy=0.9), curves)
    assert store.read_result(published.key).summary["test_accuracy.best"] == 0.5
    assert names_in(store.run_folder(published.key)) == before


def test_publishing_twice_does_not_touch_what_was_published(store, published, attempt, make_result, curves):
    assert not store.publish(attempt, make_result(), {**curves, "test_accuracy": curves["test_accuracy"] + 1})
    assert store.read_curves(published.key)["test_accuracy"][0] == 0.1


def test_who_loses_in_the_last_moment_removes_its_files(
    store, attempt, make_result, curves, names_in, monkeypatch
):
    result, winner = make_result(), make_result(accuracy=0.9)
    link = files.link

    def link_too_late(source, path):
        monkeypatch.undo()
        with Attempt.start(store, "session", heartbeat_every_s=60) as other:
            assert store.publish(other, winner, curves)
        return link(source, path)

    monkeypatch.setattr("sgdlab.runs.store.link", link_too_late)
    weights = attempt.folder / "w.pt"
    weights.write_bytes(b"weights")
    assert not store.publish(attempt, result, curves, weights)
    assert store.read_result(result.key).summary["test_accuracy.best"] == 0.9
    assert len(names_in(store.run_folder(result.key))) == 2


def test_killed_at_any_operation_a_publication_leaves_a_store_that_reads_and_goes_on(
    store, make_result, curves, in_child, names_in
):
    """The invariant of the room: at every instant a run is published as a whole, or can be trained again."""

    def train(seed):
        result = make_result(seed)
        with Attempt.start(store, "session", heartbeat_every_s=60) as attempt:
            if claim(store, result.key, attempt):
                attempt.write_manifest({"backend": "batched"})
                weights = attempt.folder / "w.pt"
                weights.write_bytes(b"weights")
                assert store.publish(attempt, result, curves, weights)

    num_published_by_the_dead = 0
    observer = Observer(store, lease_timeout_s=0)  # an unchanged heartbeat is a dead one
    for seed in range(1, 200):
        status = in_child(partial(train, seed), die_at=seed)
        key = make_result(seed).key
        if store.state_on_disk([key])[key] == "published":
            num_published_by_the_dead += 1
        else:
            train(seed)
        assert store.read_result(key).summary["test_accuracy.best"] == 0.5
        assert store.read_curves(key).keys() == curves.keys()
        assert store.weights_path(key).read_bytes() == b"weights"
        remove_spent_attempts(store, observer)
        assert len(names_in(store.run_folder(key))) == 3
        assert names_in(store.attempts) == names_in(store.trash) == []
        if status == 0:
            break
    assert status == 0
    assert seed > 40  # operations: far fewer would mean that the hook sees little
    assert num_published_by_the_dead > 5  # some died after the link


def test_state_on_disk(store, published, attempt, make_result):
    claimed, failed, missing = (make_result(seed).key for seed in (1, 2, 3))
    claim(store, claimed, attempt)
    claim(store, failed, attempt)
    store.record_failure(attempt, failed, "ValueError: no", attempt.log_path)
    states = store.state_on_disk([claimed, published.key, failed, missing])
    assert states == {claimed: "claimed", published.key: "published", failed: "failed", missing: "missing"}


def test_a_failure_keeps_its_last_line_and_bars_the_run_until_it_is_discarded(store, attempt, make_result):
    key = make_result().key
    claim(store, key, attempt)
    store.record_failure(attempt, key, "Traceback …\n  line\nValueError: no such thing\n", attempt.log_path)
    attempt.end("failed")
    failure = store.read_failure(key)
    assert (failure.error, failure.log) == ("ValueError: no such thing", attempt.log_path)
    with Attempt.start(store, "another", heartbeat_every_s=60) as other:
        assert not claim(store, key, other)
        store.discard(key)
        assert store.read_failure(key) is None
        assert claim(store, key, other)


def test_a_failure_never_covers_a_result(store, published, attempt):
    store.record_failure(attempt, published.key, "late", attempt.log_path)
    assert store.read_failure(published.key) is None


def test_a_failure_that_cannot_be_read_is_named(store, make_result):
    path = store.failure_path(make_result().key)
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(DamagedRunError, match=re.escape(str(path))):
        store.read_failure(make_result().key)


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-20])


def _flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("pattern", "damage", "problem"),
    [
        ("result.json", _truncate, "damaged"),
        ("result.json", lambda path: path.write_bytes(b""), "damaged"),
        ("result.json", lambda path: path.write_bytes(b"{}"), "no whole result"),
        ("result.json", lambda path: path.write_bytes(b"[1]"), "no result"),
        ("result.json", lambda path: path.write_bytes(b"\xff\xfe"), "damaged"),
        ("curves-*.npz", _truncate, "checksum"),
        ("curves-*.npz", _flip_a_bit, "checksum"),
        ("curves-*.npz", lambda path: path.unlink(), "missing"),
    ],
)
def test_a_damaged_file_is_named_and_the_run_can_be_trained_again(
    store, published, make_result, curves, pattern, damage, problem
):
    [path] = store.run_folder(published.key).glob(pattern)
    damage(path)
    with pytest.raises(DamagedRunError, match=problem) as caught:
        store.read_curves(published.key)
    assert str(path) in str(caught.value)
    assert "sgdlab retry SWEEP --state damaged" in str(caught.value)
    store.discard(published.key)
    assert store.state_on_disk([published.key]) == {published.key: "missing"}
    with Attempt.start(store, "again", heartbeat_every_s=60) as again:
        assert claim(store, published.key, again)
        assert store.publish(again, make_result(), curves)
    assert store.read_curves(published.key).keys() == curves.keys()


def test_a_result_in_the_folder_of_another_run_is_damage(store, published, make_result):
    other = make_result(seed=1).key
    store.run_folder(other).parent.mkdir(exist_ok=True)
    store.run_folder(published.key).rename(store.run_folder(other))
    with pytest.raises(DamagedRunError, match=f"result of another run, {published.key}"):
        store.read_result(other)


def test_a_sound_result_is_not_thrown_away(store, published):
    with pytest.raises(UserError, match="sound result"):
        store.discard(published.key)
    assert store.has_result(published.key)


def test_a_run_without_result_is_named(store):
    with pytest.raises(NoResultError, match=f"no result of the run {'0' * 32}"):
        store.read_result("0" * 32)


def test_a_store_that_does_not_exist_is_empty_and_stays_so(tmp_path):
    store = Store(tmp_path / "none")
    assert store.state_on_disk(["0" * 32]) == {"0" * 32: "missing"}
    assert list(store.every_key()) == []
    assert list(read_new(store.journals, {})) == []
    assert not store.root.exists()


def test_a_store_below_a_file_is_refused_by_name(tmp_path):
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "store")
    with pytest.raises(
        StoreError, match=re.escape(f"{store.root}: Not a directory. Something on this path is a file")
    ):
        store.open_for_writing()
    with pytest.raises(StoreError, match="Not a directory"):
        list(store.every_key())


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EROFS, "Read-only file system. Check who may write there"),
        (errno.EACCES, "Permission denied. Check who may write there"),
        (errno.EPERM, "has no hard links"),
    ],
)
def test_a_store_that_cannot_be_written_says_so(tmp_path, monkeypatch, number, message):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StoreError, match=message):
        Store(tmp_path / "store").open_for_writing()


@pytest.mark.parametrize("call", ["write_synced", "link", "replace"])
def test_on_a_full_disk_publication_says_so_and_leaves_nothing_half_done(
    store, attempt, make_result, curves, monkeypatch, call
):
    result = make_result()
    claim(store, result.key, attempt)

    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(f"sgdlab.runs.store.{call}", refuse)
    with pytest.raises(
        StoreError, match=re.escape(f"{store.root}: No space left on device. Free some space")
    ):
        store.publish(attempt, result, curves)
    monkeypatch.undo()
    assert [path.name for path in store.run_folder(result.key).iterdir()] == ["claim.1"]
    assert store.publish(attempt, result, curves)


def test_every_event_is_in_the_journal(store, published, attempt, make_result):
    claim(store, make_result(1).key, attempt)
    store.record_failure(attempt, make_result(1).key, "error", attempt.log_path)
    claim(store, make_result(2).key, attempt)
    attempt.end("released")
    events = [entry.event for entry in read_new(store.journals, {})]
    kinds = [(event.kind, event.key) for event in events]
    keys = [make_result(seed).key for seed in range(3)]
    assert kinds == [
        ("claimed", keys[0]),
        ("published", keys[0]),
        ("claimed", keys[1]),
        ("failed", keys[1]),
        ("claimed", keys[2]),
        ("released", keys[2]),
    ]
    assert events[1].detail["summary"] == {"test_accuracy.best": 0.5}
    assert events[3].detail["error"] == "error"
