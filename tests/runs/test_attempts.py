import errno
import json
import os
from contextlib import nullcontext

import pytest

from sgdlab.runs.attempts import Attempt
from sgdlab.runs.claims import claim, latest_checkpoint
from sgdlab.runs.cleaning import remove_spent_attempts
from sgdlab.runs.files import StoreError
from sgdlab.runs.observer import Observer


def _start(store):
    return Attempt.start(store, "session", heartbeat_every_s=60)


def test_ids_sort_by_time_and_never_meet(store):
    ids = []
    for _ in range(20):
        with _start(store) as attempt:
            ids.append(attempt.id)
    assert sorted(ids) == ids
    assert len(set(ids)) == 20
    assert all(set(id_) <= set("0123456789abcdefT.-") for id_ in ids)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(None, "finished"), (ValueError, "failed"), (KeyboardInterrupt, "released"), (SystemExit, "released")],
)
def test_the_last_word_says_how_the_block_ended(store, make_result, error, reason):
    key = make_result().key
    with nullcontext() if error is None else pytest.raises(error), _start(store) as attempt:
        claim(store, key, attempt)
        with attempt.new_checkpoint({key: 10}) as path:  # so that the folder is kept
            path.write_bytes(b"state")
        if error:
            raise error
    assert json.loads((attempt.folder / "ended.json").read_bytes()) == {"reason": reason}


def test_a_checkpoint_replaces_the_one_before_only_when_it_is_whole(store, attempt):
    with attempt.new_checkpoint({"a": 10, "b": 3}) as path:
        path.write_bytes(b"ten")

    def fail_half_way():
        with attempt.new_checkpoint({"a": 20}) as path:
            path.write_bytes(b"twe")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fail_half_way()
    assert attempt.checkpoint_path.read_bytes() == b"ten"
    assert store.attempt(attempt.id).read_progress() == {"a": 10, "b": 3}
    assert [name.name for name in attempt.folder.glob(".*")] == []


def test_a_checkpoint_on_a_full_disk_names_the_folder(store, attempt, monkeypatch):
    def refuse(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("sgdlab.runs.attempts.sync", refuse)
    with (
        pytest.raises(StoreError, match=f"{attempt.id}: No space left on device"),
        attempt.new_checkpoint({}) as path,
    ):
        path.write_bytes(b"one")


class TestRemoval:
    """An attempt's folder goes when nothing needs it, and not before."""

    def test_after_all_members_are_published(self, store, make_result, curves, names_in):
        with _start(store) as attempt:
            for seed in (0, 1):
                claim(store, make_result(seed).key, attempt)
                store.publish(attempt, make_result(seed), curves)
            with attempt.new_checkpoint({make_result(1).key: 10}) as path:
                path.write_bytes(b"state")
        assert names_in(store.attempts) == names_in(store.trash) == []

    def test_after_a_release_without_checkpoint(self, store, make_result, names_in):
        with _start(store) as attempt:
            claim(store, make_result().key, attempt)
        assert names_in(store.attempts) == []

    def test_not_while_a_checkpoint_waits_for_a_member(self, store, make_result, curves, names_in):
        with _start(store) as first:
            for seed in (0, 1):
                claim(store, make_result(seed).key, first)
            first.write_manifest({"backend": "batched"})
            with first.new_checkpoint({make_result(seed).key: 10 for seed in (0, 1)}) as path:
                path.write_bytes(b"state")
            store.publish(first, make_result(0), curves)
        assert names_in(store.attempts) == [first.id]
        with _start(store) as second:
            assert claim(store, make_result(1).key, second)
            assert latest_checkpoint(store, make_result(1).key).path.read_bytes() == b"state"
            store.publish(second, make_result(1), curves)
        assert (
            names_in(store.attempts) == []
        )  # who finished the last member has cleared the first attempt too

    def test_not_while_a_log_tells_why_a_member_failed(self, store, make_result, names_in):
        key = make_result().key
        with _start(store) as attempt:
            claim(store, key, attempt)
            attempt.log_path.write_text("why")
            store.record_failure(attempt, key, "error", attempt.log_path)
        assert store.read_failure(key).log.read_text() == "why"
        assert names_in(store.attempts) == [attempt.id]

    def test_not_while_a_wordless_death_is_to_be_counted(
        self, store, leave_claim, make_result, curves, names_in
    ):
        result = make_result()
        holder = leave_claim(result.key)
        observer = Observer(store, lease_timeout_s=0)
        remove_spent_attempts(store, observer)
        assert names_in(store.attempts) == [holder.attempt]
        (store.run_folder(result.key) / "curves-stray.npz").write_bytes(b"half")
        with _start(store) as attempt:
            assert claim(store, result.key, attempt, observer)
            store.publish(attempt, result, curves)
        assert names_in(store.attempts) == []
        assert len(names_in(store.run_folder(result.key))) == 2

    def test_never_while_it_lives(self, store, attempt, names_in):
        remove_spent_attempts(store, Observer(store, lease_timeout_s=60))
        assert names_in(store.attempts) == [attempt.id]

    def test_who_was_taken_for_dead_and_comes_back_disturbs_nothing(
        self, store, make_result, curves, names_in
    ):
        result = make_result()
        with _start(store) as stuck:
            claim(store, result.key, stuck)
            observer = Observer(store, lease_timeout_s=0)
            with _start(store) as other:
                assert claim(store, result.key, other, observer)
                assert store.publish(other, result, curves)
            assert not stuck.folder.exists()
            stuck.record_progress({result.key: 50})
            with stuck.new_checkpoint({result.key: 100}) as path:
                path.write_bytes(b"state")
            assert not store.publish(stuck, make_result(accuracy=0.9), curves)
        assert store.read_result(result.key).summary["test_accuracy.best"] == 0.5
        assert names_in(store.attempts) == []
