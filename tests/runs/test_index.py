"""The index may be stale, damaged or missing: its answers must be those that the run folders give."""

import os
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from sgdlab.config.identity import config_digest
from sgdlab.machine.cache_folder import cache_folder
from sgdlab.runs.attempts import Attempt
from sgdlab.runs.index import Index, IndexedRun, Outcome, Speed
from sgdlab.runs.indexed import Summary
from sgdlab.runs.store import Store


@pytest.fixture
def results(make_result):
    done = [make_result(seed, accuracy=0.1 * seed) for seed in range(4)]
    return [
        *done,
        replace(make_result(4), state="diverged", diverged_at=7, summary={"train_loss.final": None}),
    ]


@pytest.fixture
def keys(results):
    return [result.key for result in results]


@pytest.fixture
def publish(store, curves):
    def publish(*results):
        with Attempt.start(store, "session", heartbeat_every_s=60) as attempt:
            for result in results:
                assert store.publish(attempt, result, curves)

    return publish


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def index(store, folder):
    with Index(store, folder) as index:
        yield index


@pytest.fixture
def results_read(monkeypatch):
    """Collect the keys of the results that are opened."""
    read = []
    read_result = Store.read_result
    monkeypatch.setattr(Store, "read_result", lambda self, key: (read.append(key), read_result(self, key))[1])
    return read


def test_lookup_returns_what_was_published_in_the_order_asked(index, publish, results, keys, results_read):
    publish(*results)
    found = index.lookup([*reversed(keys), "0" * 32, keys[0]])
    assert list(found) == list(reversed(keys))
    assert found[keys[3]] == IndexedRun(
        key=keys[3],
        state="done",
        summary=Summary.of({"test_accuracy.best": 0.1 * 3}),
        config_digest=config_digest(results[3].config),
        num_updates=100,
        diverged_at=None,
        shape="mlp 64-8-8-10, B 8",
        device="cpu",
        pack_width=8,
        seconds_per_update=0.5,
    )
    assert (found[keys[4]].state, found[keys[4]].diverged_at, found[keys[4]].summary) == ("diverged", 7, {})
    assert results_read == []  # the journals told everything


def test_a_rebuilt_index_equals_one_that_followed_the_journals(
    store, index, publish, results, keys, tmp_path
):
    publish(*results[:2])
    index.refresh()
    publish(*results[2:])
    with Index(store, tmp_path / "another cache") as other:
        other.rebuild()
        assert other.lookup(keys) == index.lookup(keys)
        with closing(sqlite3.connect(index.path)) as ours, closing(sqlite3.connect(other.path)) as theirs:
            rows = "SELECT * FROM runs ORDER BY key"
            assert ours.execute(rows).fetchall() == theirs.execute(rows).fetchall()


def test_a_run_that_no_journal_tells_of_is_read_once(store, index, publish, results, keys, results_read):
    publish(*results)
    for journal in store.journals.iterdir():
        journal.unlink()
    first = index.lookup(keys)
    assert sorted(results_read) == sorted(keys)
    assert index.lookup(keys) == first
    assert len(results_read) == len(keys)
    index.rebuild()
    assert index.lookup(keys) == first


def test_outcomes_are_those_of_the_lookup(store, index, publish, results, keys, results_read):
    publish(*results)
    store.result_path(keys[0]).write_bytes(b"?")
    outcomes = index.outcomes(["0" * 32, *keys])
    assert outcomes == {key: Outcome(run.state, run.config_digest) for key, run in index.lookup(keys).items()}
    assert [outcome.state for outcome in outcomes.values()] == ["damaged", "done", "done", "done", "diverged"]
    assert set(results_read) == {keys[0]}


def test_one_of_many_runs_is_found_as_all_of_them_are(index, publish, results, keys, make_result):
    more = [make_result(seed) for seed in range(5, 12)]
    publish(*results, *more)
    everything = index.lookup([*keys, *(result.key for result in more)])
    assert index.lookup(keys[:1]) == {keys[0]: everything[keys[0]]}


def test_damaged_curves_make_a_damaged_run(store, index, publish, results, keys, results_read):
    publish(*results)
    index.lookup(keys)
    [path] = store.run_folder(keys[0]).glob("curves-*")
    sound = path.read_bytes()
    for damaged in (sound[:-1], b"?" * len(sound), b""):
        path.write_bytes(damaged)
        assert index.outcomes(keys)[keys[0]].state == "damaged"
    path.unlink()
    assert index.outcomes(keys)[keys[0]].state == "damaged"
    path.write_bytes(sound)
    results_read.clear()
    assert index.outcomes(keys)[keys[0]].state == "done"
    assert index.outcomes(keys)[keys[0]].state == "done"
    assert results_read == [keys[0]]  # mended, it is read once


def test_a_digest_that_was_accepted_stays_until_the_index_is_rebuilt(index, publish, results, keys):
    publish(*results)
    before = index.outcomes(keys)
    index.accept({keys[0]: "f" * 32})
    assert index.outcomes(keys)[keys[0]] == Outcome("done", "f" * 32)
    index.rebuild()
    assert index.outcomes(keys) == before


def test_a_run_that_vanished_is_forgotten(store, index, publish, results, keys):
    publish(*results)
    index.lookup(keys)
    store.result_path(keys[0]).unlink()
    assert list(index.lookup(keys)) == keys[1:]
    assert len(index.speeds()) == 1
    assert index.speeds()[0].num_runs == 4


def test_a_result_that_was_trained_again_replaces_the_old(store, index, publish, results, keys, make_result):
    publish(*results)
    index.lookup(keys)
    store.result_path(keys[0]).write_bytes(b"")
    store.discard(keys[0])
    publish(make_result(0, accuracy=0.75))
    for journal in store.journals.iterdir():
        journal.unlink()
    assert index.lookup(keys)[keys[0]].summary == {"test_accuracy.best": 0.75}


def test_a_damaged_result_is_reported_as_such_and_never_kept(store, index, publish, results, keys):
    publish(*results)
    index.lookup(keys)
    path = store.result_path(keys[0])
    sound = path.read_bytes()
    path.write_bytes(sound[:-20])
    assert index.lookup(keys)[keys[0]] == IndexedRun(keys[0], "damaged", Summary.of({}))
    index.rebuild()
    assert index.lookup(keys)[keys[0]].state == "damaged"
    path.write_bytes(b"?" * len(sound))
    assert index.lookup(keys)[keys[0]].state == "damaged"
    status = path.stat()
    path.write_bytes(sound)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # even where the change leaves no trace
    assert index.lookup(keys)[keys[0]].state == "done"


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"this is no database, and long enough to look at" * 100),
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        lambda path: path.write_bytes(b""),
        lambda path: _execute(path, "PRAGMA user_version = 99"),
        lambda path: _execute(path, "DROP TABLE runs"),
        lambda path: _execute(path, "ALTER TABLE runs DROP COLUMN shape"),
    ],
    ids=[
        "missing",
        "no database",
        "truncated",
        "empty",
        "of another version",
        "without table",
        "without column",
    ],
)
def test_a_damaged_index_is_made_anew_in_silence(store, folder, publish, results, keys, damage, capfd):
    publish(*results)
    with Index(store, folder) as index:
        expected = index.lookup(keys)
    damage(index.path)
    with Index(store, folder) as again:
        assert again.lookup(keys) == expected
        again.rebuild()
        assert again.lookup(keys) == expected
    with Index(store, folder) as once_more:  # and what was made anew is sound
        assert once_more.lookup(keys) == expected
    assert capfd.readouterr() == ("", "")


def _execute(path, statement):
    with closing(sqlite3.connect(path)) as database:
        database.execute(statement)
        database.commit()


def test_an_index_that_is_damaged_while_open_is_made_anew(index, publish, results, keys):
    publish(*results)
    expected = index.lookup(keys)
    index.path.write_bytes(b"no database any more" * 1000)
    assert index.lookup(keys) == expected


def test_without_a_folder_to_write_to_the_index_lives_in_memory(store, publish, results, keys, tmp_path):
    publish(*results)
    (tmp_path / "file").write_text("")
    with Index(store, tmp_path / "file" / "cache") as index:
        assert list(index.lookup(keys)) == keys


def test_two_stores_of_one_name_have_two_indexes(tmp_path, folder):
    paths = []
    for parent in ("a", "b"):
        with Index(Store(tmp_path / parent / "store"), folder) as index:
            paths.append(index.path)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with Index(Store(tmp_path / "link" / "store"), folder) as index:
        assert index.path == paths[0]  # one store by two paths
    assert paths[0] != paths[1]


def test_an_empty_store_is_not_made_by_looking(tmp_path, folder):
    store = Store(tmp_path / "none")
    with Index(store, folder) as index:
        assert index.lookup(["0" * 32]) == {}
        index.rebuild()
    assert not store.root.exists()


def test_speeds_are_means_for_each_shape_device_and_width(index, publish, results):
    def measured(result, **provenance):
        return replace(result, provenance={**result.provenance, **provenance})

    publish(
        results[0],
        measured(results[1], seconds_per_update=0.25),
        measured(results[2], pack_width=1, seconds_per_update=0.125),
        measured(results[3], seconds_per_update=None),
    )
    shape = "mlp 64-8-8-10, B 8"
    assert index.speeds() == [Speed(shape, "cpu", 1, 0.125, 1), Speed(shape, "cpu", 8, 0.375, 2)]


def test_an_event_of_another_version_is_passed_over(store, index, publish, results, keys):
    publish(*results)
    [journal] = store.journals.iterdir()
    journal.write_text(journal.read_text().replace('"state":', '"condition":').replace('"stamp":', '"mark":'))
    assert list(index.lookup(keys)) == keys


def test_more_runs_than_one_statement_takes(index, publish, results, keys, monkeypatch):
    monkeypatch.setattr("sgdlab.runs.index_rows._BATCH", 2)
    publish(*results)
    assert list(index.lookup(keys)) == keys


def test_a_summary_is_a_mapping_of_the_finite_values():
    summary = Summary.of({"a": 1.5, "b": None, "c": 2.0})
    assert summary == {"a": 1.5, "c": 2.0}
    assert summary != {"a": 1.5}
    assert summary.get("b") is None
    with pytest.raises(KeyError, match="b"):
        summary["b"]
    assert repr(summary) == "{'a': 1.5, 'c': 2.0}"


class TestCacheFolder:
    def test_it_is_the_users(self, monkeypatch, tmp_path):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert cache_folder() == tmp_path / "sgdlab"
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert cache_folder() == tmp_path / ".cache" / "sgdlab"

    @pytest.mark.parametrize("kind", ["nfs4", "lustre", "fuse.sshfs"])
    def test_it_is_not_on_a_network_file_system(self, monkeypatch, tmp_path, kind):
        from types import SimpleNamespace

        mounts = [
            SimpleNamespace(mountpoint="/", fstype="ext4"),
            SimpleNamespace(mountpoint=str(tmp_path), fstype=kind),
        ]
        monkeypatch.setattr("psutil.disk_partitions", lambda all: mounts)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "cache"))
        monkeypatch.setattr("tempfile.tempdir", "/local")
        assert str(cache_folder()) == f"/local/sgdlab-{os.getuid()}"
