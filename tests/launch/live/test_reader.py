"""A store that others write: made up by hand, so that every state is there, and read again and again."""

import json
from collections.abc import Callable, Mapping

import pytest

from sgdlab.launch.live.outcomes import SweepLook
from sgdlab.launch.live.reader import LiveReader
from sgdlab.launch.live.state import STATES
from sgdlab.runs.attempt_folder import Holder
from sgdlab.runs.files import StoreError
from sgdlab.runs.journal import Event, Journal
from sgdlab.runs.news import News
from sgdlab.runs.processes import Process
from sgdlab.runs.store import Store
from sgdlab.sweeps.survey import Census, take_census

KEYS = [f"{number:02x}" + "0" * 30 for number in range(8)]
TOTAL = 100
ELSEWHERE = Process("node7", "another boot", 41, 1)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch, tmp_path) -> Clock:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    clock = Clock()
    monkeypatch.setattr("sgdlab.runs.sightings._seconds_since_boot", clock)
    return clock


@pytest.fixture
def look(store) -> Callable[[], list[SweepLook]]:
    """Two sweeps that share two runs, looked at with a count of the looks."""

    def look():
        look.count += 1
        return [look_at(store, "first", KEYS[:6]), look_at(store, "second", KEYS[4:])]

    look.count = 0
    return look


def look_at(store: Store, title: str, keys: list[str]) -> SweepLook:
    census = take_census(dict.fromkeys(keys, ""), store, lambda _: pytest.fail("asked for a configuration"))
    return SweepLook(title, dict.fromkeys(keys, TOTAL), census)


def leave_attempt(
    store: Store,
    keys: list[str],
    updates_of: Mapping[str, int],
    pace: float | None,
    name: str = "",
    process: Process = ELSEWHERE,
) -> Holder:
    """Leave an attempt; of a process of another machine it is believed that it lives."""
    name = name or f"20260102T030405.000000-{keys[0][:8]}"
    holder = Holder(name, "session", process)
    folder = store.attempt(name)
    folder.path.mkdir()
    folder.holder_path.write_bytes(holder.to_json())
    folder.claimed_path.write_text("".join(f"{key}\n" for key in keys))
    folder.heartbeat_path.write_text("1\n")
    folder.news_path.write_bytes(News("cuda:1", "3", "12_4", updates_of, pace).to_json())
    for key in keys:
        store.run_folder(key).mkdir(parents=True, exist_ok=True)
        (store.run_folder(key) / "claim.1").write_bytes(holder.to_json())
    return holder


def counts(**numbers: int) -> dict[str, int]:
    return dict.fromkeys(STATES, 0) | numbers


def test_an_empty_store_is_all_waiting(store, look):
    with LiveReader(store, look) as reader:
        live = reader.read()
    assert [sweep.counts for sweep in live.sweeps] == [counts(waiting=6), counts(waiting=4)]
    assert live.together.counts == counts(waiting=8)
    assert (live.together.updates_done, live.together.updates_left) == (0, 8 * TOTAL)
    assert live.together.updates_per_s is None
    assert live.together.seconds_left is None
    assert live.workers == live.failures == live.ends == ()


def test_a_folder_that_was_never_a_store_is_as_empty(tmp_path, look):
    store = Store(tmp_path / "nowhere")
    with LiveReader(store, lambda: [look_at(store, "first", KEYS)]) as reader:
        assert reader.read().together.counts == counts(waiting=8)
    assert not store.root.exists()


def test_a_worker_is_told_with_what_it_trains_and_how_fast(store, look):
    leave_attempt(store, [KEYS[3], KEYS[4]], {KEYS[3]: 40, KEYS[4]: 20}, pace=10.0)
    with LiveReader(store, look) as reader:
        live = reader.read()
    (worker,) = live.workers
    assert (worker.state, worker.host, worker.pid) == ("training", "node7", 41)
    assert (worker.device, worker.gpu, worker.job) == ("cuda:1", "3", "12_4")
    assert worker.since == "2026-01-02T03:04:05+00:00"
    assert worker.updates_of == {KEYS[3]: 40, KEYS[4]: 20}
    assert worker.sweeps == ("first", "second")
    first, second = live.sweeps
    assert first.counts == counts(running=2, waiting=4)
    assert (first.updates_done, first.updates_left, first.updates_per_s) == (60, 540, 10.0)
    assert first.seconds_left == 54.0
    assert second.counts == counts(running=1, waiting=3)
    assert (second.updates_done, second.updates_per_s) == (20, 5.0)  # half of its worker's runs
    assert live.together.updates_per_s == 10.0  # not 15: a shared run counts once


def test_a_silent_worker_makes_its_runs_unknown(store, look, clock):
    leave_attempt(store, KEYS[:2], {KEYS[0]: 40}, pace=10.0)
    with LiveReader(store, look) as reader:
        assert reader.read().workers[0].state == "training"
        clock.now = 200.0
        live = reader.read()
        (worker,) = live.workers
        assert (worker.state, worker.silent_s, worker.updates_per_s) == ("silent", 200.0, None)
        assert live.together.counts == counts(unknown=2, waiting=6)
        assert live.together.unknown_since is not None
        assert live.together.updates_per_s is None
        store.attempt(worker.attempt).heartbeat_path.write_text("2\n")
        assert reader.read().together.counts == counts(running=2, waiting=6)


def test_what_was_let_go_is_interrupted_and_counts_as_far_as_its_checkpoint(store, look):
    holder = leave_attempt(store, KEYS[:1], {KEYS[0]: 40}, pace=10.0)
    folder = store.attempt(holder.attempt)
    folder.progress_path.write_text(json.dumps({KEYS[0]: 30}))
    folder.release()
    with LiveReader(store, look) as reader:
        live = reader.read()
        assert live.workers == ()
        assert live.together.counts == counts(interrupted=1, waiting=7)
        assert (live.together.updates_done, live.together.updates_left) == (30, 770)
        leave_attempt(store, KEYS[:1], {KEYS[0]: 35}, pace=1.0, name="20260103T030405.000000-ab")
        assert reader.read().together.counts == counts(running=1, waiting=7)


def test_a_worker_that_died_without_a_word_is_shown_until_others_go_on(store, look, gone):
    leave_attempt(store, KEYS[:1], {KEYS[0]: 5}, pace=1.0, name="20260101T000000.000000-ab", process=gone)
    with LiveReader(store, look) as reader:
        live = reader.read()
        assert [(worker.state, worker.updates_per_s) for worker in live.workers] == [("died", None)]
        assert live.together.counts == counts(interrupted=1, waiting=7)
        leave_attempt(store, KEYS[:1], {}, pace=None)
        assert [worker.state for worker in reader.read().workers] == ["training"]


def test_failures_are_grouped_by_error_and_forgotten_when_they_are_cleared(store, look, attempt):
    for key, error in [(KEYS[0], "bad"), (KEYS[1], "worse"), (KEYS[2], "bad")]:
        store.record_failure(attempt, key, f"Traceback …\n{error}", attempt.log_path)
    with LiveReader(store, look) as reader:
        live = reader.read()
        assert [(group.error, group.keys) for group in live.failures] == [
            ("bad", (KEYS[0], KEYS[2])),
            ("worse", (KEYS[1],)),
        ]
        assert live.failures[0].example.log == attempt.log_path
        assert live.together.counts == counts(failed=3, waiting=5)
        assert live.together.updates_left == 500  # nobody makes those of the failed ones
        store.discard(KEYS[0])
        live = reader.read()
        assert [(group.error, len(group.keys)) for group in live.failures] == [("bad", 1), ("worse", 1)]
        assert live.together.counts == counts(failed=2, interrupted=1, waiting=5)  # it has a folder still
        store.record_failure(attempt, KEYS[5], "late", attempt.log_path)
        assert "late" in {group.error for group in reader.read().failures}
    assert look.count == 1  # all that by one full look


def test_a_failure_that_cannot_be_read_says_so(store, look, attempt):
    store.record_failure(attempt, KEYS[0], "bad", attempt.log_path)
    store.failure_path(KEYS[0]).write_text("{")
    with LiveReader(store, look) as reader:
        (group,) = reader.read().failures
    assert "is damaged" in group.error
    assert str(store.failure_path(KEYS[0])) in group.error


def test_ends_come_by_the_journals_between_full_looks(store, publish):
    with LiveReader(store, lambda: [look_at(store, "first", publish.keys[:3])]) as reader:
        assert reader.read().together.counts == counts(waiting=3)
        keys = [publish(0), publish(1, "diverged")]
        publish(3)  # nobody watches it
        live = reader.read()
    assert live.together.counts == counts(done=1, diverged=1, waiting=1)
    assert {(end.key, end.outcome) for end in live.ends} == set(zip(keys, ["done", "diverged"], strict=True))
    assert (live.together.updates_done, live.together.updates_left) == (2 * TOTAL, TOTAL)


def test_ends_of_before_are_told_too(store, publish):
    digests = {publish(0): "", publish(1): ""}
    look = SweepLook("first", dict.fromkeys(digests, TOTAL), Census({}, [], [], [], list(digests)))
    with LiveReader(store, lambda: [look]) as reader:
        assert {end.key for end in reader.read().ends} == set(digests)


def test_news_of_a_journal_is_not_believed_without_a_file(store, look):
    with LiveReader(store, look) as reader:
        reader.read()
        Journal(store.journals, "liar").append(Event("published", KEYS[0], "x", detail={"state": "done"}))
        assert reader.read().together.counts == counts(waiting=8)


def test_all_folders_are_looked_at_again_after_a_minute(store, look):
    clock = Clock()
    with LiveReader(store, look, clock) as reader:
        for clock.now in (0, 1, 30, 59, 61, 62):
            reader.read()
        assert look.count == 2
        reader.look_anew()
        reader.read()
        assert look.count == 3


def test_a_sweep_that_cannot_be_told_does_not_hide_the_others(store):
    def look():
        return [
            SweepLook("odd", dict.fromkeys(KEYS[:2], TOTAL), None, "another configuration"),
            look_at(store, "sound", KEYS[2:]),
        ]

    with LiveReader(store, look) as reader:
        odd, sound = reader.read().sweeps
    assert (odd.problem, odd.counts, odd.updates_total) == ("another configuration", {}, 0)
    assert sound.counts == counts(waiting=6)


def test_damage_is_told_with_the_way_out(store):
    census = Census({}, [KEYS[0]], [], [], [])
    store.run_folder(KEYS[0]).mkdir(parents=True)
    store.result_path(KEYS[0]).write_text("{")
    with LiveReader(store, lambda: [SweepLook("first", {KEYS[0]: TOTAL}, census)]) as reader:
        live = reader.read()
    assert live.together.counts == counts(damaged=1)
    assert "sgdlab retry SWEEP --state damaged" in live.damages[0]


def test_it_is_plain_json(store, look, attempt):
    leave_attempt(store, KEYS[:1], {KEYS[0]: 40}, pace=10.0)
    store.record_failure(attempt, KEYS[1], "bad", attempt.log_path)
    with LiveReader(store, look) as reader:
        content = json.loads(json.dumps(reader.read().to_dict(), allow_nan=False))
    assert content["workers"][0]["updates_of"] == {KEYS[0]: 40}


RUBBISH = [
    b"",
    b"\x00\xff\xfe",
    b"{",
    b"[]",
    b"5",
    b"null",
    b'"word"',
    b'{"key": 5}',
    b"\n\n",
    b'[{"a": []}]',
]


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_rubbish_in_any_small_file_is_borne(store, look, attempt, rubbish):
    """Whatever a disk has made of a file: the others are told, and nothing is raised but a sentence."""
    store.record_failure(attempt, KEYS[1], "bad", attempt.log_path)
    holder = leave_attempt(store, KEYS[:1], {KEYS[0]: 40}, pace=10.0)
    folder = store.attempt(holder.attempt)
    for name in ("holder.json", "heartbeat", "claimed.txt", "news.json", "progress.json", "ended.json"):
        path = folder.path / name
        before = path.read_bytes() if path.exists() else None
        path.write_bytes(rubbish)
        with LiveReader(store, look) as reader:
            assert reader.read().together.counts["failed"] == 1
        path.unlink() if before is None else path.write_bytes(before)
    (journal,) = store.journals.glob("*")
    with LiveReader(store, look) as reader:
        for line in (
            rubbish,
            b'{"kind": "failed", "key": ["a"], "attempt": "b"}',
            b'{"kind": 1, "key": "b"}',
        ):
            journal.write_bytes(journal.read_bytes() + line + b"\n")
            assert reader.read().together.counts["failed"] == 1
        store.failure_path(KEYS[1]).write_bytes(rubbish)
        (group,) = reader.read().failures
        assert "is damaged" in group.error


def test_a_store_whose_folders_are_files_is_a_sentence(tmp_path):
    store = Store(tmp_path / "odd")
    store.root.mkdir()
    store.attempts.write_text("")
    with LiveReader(store, list) as reader, pytest.raises(StoreError, match="Not a directory"):
        reader.read()
