import json
import multiprocessing
import os
import signal
import time

import pytest

from sgdlab.runs.attempts import Attempt
from sgdlab.runs.claims import claim, holds, latest_checkpoint
from sgdlab.runs.observer import Observer, read_claims

KEYS = [f"{number:032x}" for number in range(200)]
FORK = multiprocessing.get_context("fork")


def _claim_all(store, name, barrier):
    with Attempt.start(store, "session", heartbeat_every_s=60) as attempt:
        barrier.wait()
        for key in KEYS:
            claim(store, key, attempt)
        (store.root / name).write_text("\n".join(attempt.claimed))
        barrier.wait()  # nobody ends before all have tried: an ended claim may be taken over


def _race(store, num_workers):
    barrier = FORK.Barrier(num_workers, timeout=60)
    workers = [
        FORK.Process(target=_claim_all, args=(store, f"won-{number}", barrier))
        for number in range(num_workers)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return [(store.root / f"won-{number}").read_text().split() for number in range(num_workers)]


def test_of_two_processes_exactly_one_wins_each_run(store):
    first, second = _race(store, 2)
    assert sorted([*first, *second]) == KEYS


def test_of_three_processes_exactly_one_takes_over_each_run_of_a_dead_one(store, in_child):
    def claim_and_die():
        attempt = Attempt.start(store, "session", heartbeat_every_s=60)
        assert all(claim(store, key, attempt) for key in KEYS)
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(claim_and_die) == -signal.SIGKILL
    first, second, third = _race(store, 3)
    assert sorted([*first, *second, *third]) == KEYS
    assert all(len(read_claims(store, key)) == 2 for key in KEYS)


def _publish_all(store, results, curves, name, barrier):
    with Attempt.start(store, "session", heartbeat_every_s=60) as attempt:
        barrier.wait()
        won = [result.key for result in results if store.publish(attempt, result, curves)]
        (store.root / name).write_text("\n".join(won))


def test_of_two_publishers_exactly_one_wins_and_both_files_are_its_own(store, make_result, curves, names_in):
    barrier = FORK.Barrier(2, timeout=60)
    keys = [make_result(seed).key for seed in range(60)]
    workers = []
    for number in (0, 1):
        results = [make_result(seed, accuracy=float(number)) for seed in range(60)]
        arguments = (store, results, curves, f"won-{number}", barrier)
        workers.append(FORK.Process(target=_publish_all, args=arguments))
        workers[-1].start()
    for worker in workers:
        worker.join()
    won = [(store.root / f"won-{number}").read_text().split() for number in (0, 1)]
    assert sorted(won[0] + won[1]) == sorted(keys)
    for number in (0, 1):
        for key in won[number]:
            assert store.read_result(key).summary["test_accuracy.best"] == number
            assert store.read_curves(key).keys() == curves.keys()
            assert len(names_in(store.run_folder(key))) == 2


def test_a_living_attempt_keeps_others_out_and_an_ended_one_does_not(store):
    first = Attempt.start(store, "session", heartbeat_every_s=60)
    second = Attempt.start(store, "session", heartbeat_every_s=60)
    assert claim(store, KEYS[0], first)
    assert not claim(store, KEYS[0], second)
    assert holds(store, KEYS[0], first)
    first.end("released")
    assert claim(store, KEYS[0], second)
    assert not holds(store, KEYS[0], first)
    assert holds(store, KEYS[0], second)
    second.end("released")


def test_a_published_run_cannot_be_claimed_even_by_who_looked_before(
    store, attempt, make_result, curves, monkeypatch
):
    """The publisher removes its claims, so a folder read just then looks like that of a free run."""
    result = make_result()

    def read_while_it_is_published(layout, key):
        monkeypatch.undo()
        assert store.publish(attempt, result, curves)
        return []

    with Attempt.start(store, "session", heartbeat_every_s=60) as late:
        monkeypatch.setattr("sgdlab.runs.claims.read_claims", read_while_it_is_published)
        assert not claim(store, result.key, late)
        assert not claim(store, result.key, late)
        assert late.claimed == ()
    assert read_claims(store, result.key) == []


@pytest.fixture
def clock():
    class Clock:
        now = 0.0

        def __call__(self):
            return self.now

    return Clock()


def test_a_lease_expires_when_its_heartbeat_was_seen_unchanged_for_the_whole_timeout(
    store, attempt, leave_claim, clock
):
    holder = leave_claim(KEYS[0])
    observer = Observer(store, lease_timeout_s=30, clock=clock)
    assert observer.holder(KEYS[0]) == holder
    clock.now = 29.9
    assert not claim(store, KEYS[0], attempt, observer)
    store.attempt(holder.attempt).heartbeat_path.write_text("2\n")
    clock.now = 30
    assert observer.holder(KEYS[0]) == holder  # seen to move: the lease starts again
    clock.now = 59.9
    assert not claim(store, KEYS[0], attempt, observer)
    assert not claim(store, KEYS[0], attempt, Observer(store, 30, clock))  # who has just come knows nothing
    clock.now = 60
    assert observer.holder(KEYS[0]) is None
    assert claim(store, KEYS[0], attempt, observer)


def test_a_claim_that_cannot_be_read_expires_too(store, attempt, leave_claim, clock):
    leave_claim(KEYS[0])
    (store.run_folder(KEYS[0]) / "claim.1").write_bytes(b"")
    observer = Observer(store, lease_timeout_s=30, clock=clock)
    assert not claim(store, KEYS[0], attempt, observer)
    clock.now = 30
    assert claim(store, KEYS[0], attempt, observer)


def test_an_attempt_whose_folder_is_gone_ended_in_good_order(store, leave_claim, clock):
    holder = leave_claim(KEYS[0])
    store.attempt(holder.attempt).path.rename(store.trash / "x")
    observer = Observer(store, lease_timeout_s=30, clock=clock)
    assert observer.holder(KEYS[0]) is None
    assert observer.wordless_deaths(KEYS[0], "session") == 0


def test_a_heartbeat_moves_by_itself(store):
    with Attempt.start(store, "session", heartbeat_every_s=0.01) as attempt:
        first = store.attempt(attempt.id).read_heartbeat()
        deadline = time.monotonic() + 10
        while store.attempt(attempt.id).read_heartbeat() < first + 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)


class TestWordlessDeaths:
    """Claims of one session whose attempt neither lives nor ended with a word, since the last headway."""

    @pytest.fixture
    def deaths(self, store, clock):
        observer = Observer(store, lease_timeout_s=30, clock=clock)

        def count(session="session"):
            observer.wordless_deaths(KEYS[0], session)
            clock.now += 31
            return observer.wordless_deaths(KEYS[0], session)

        return count

    def test_the_dead_are_counted_and_the_living_are_not(self, leave_claim, deaths, store, attempt):
        for number in (1, 2):
            leave_claim(KEYS[0], number)
        assert deaths() == 2
        observer = Observer(store, lease_timeout_s=0)
        observer.holder(KEYS[0])
        assert claim(store, KEYS[0], attempt, observer)
        assert Observer(store, lease_timeout_s=30).wordless_deaths(KEYS[0], "session") == 2

    def test_another_session_counts_anew(self, leave_claim, deaths):
        leave_claim(KEYS[0], 1, "yesterday")
        leave_claim(KEYS[0], 2, "session")
        assert (deaths("yesterday"), deaths("session"), deaths("tomorrow")) == (1, 1, 0)

    def test_a_last_word_is_no_death(self, leave_claim, deaths, store):
        leave_claim(KEYS[0], 1)
        holder = leave_claim(KEYS[0], 2)
        store.attempt(holder.attempt).ended_path.write_text("{}")
        assert deaths() == 1

    @pytest.mark.parametrize(
        ("progress", "expected"),
        [
            ([0, 0, 0], 3),
            ([100], 0),
            ([0, 0, 100], 0),  # headway starts the count again
            ([0, 100, 0], 1),
            ([100, 100], 1),  # the second resumed, and came no further
            ([100, 100, 50, 200], 0),
            ([100, 200, 300], 0),  # a long run on a machine that is often taken away
        ],
    )
    def test_headway_resets_the_count(self, leave_claim, deaths, progress, expected):
        for number, num_updates in enumerate(progress, start=1):
            leave_claim(KEYS[0], number, num_updates=num_updates)
        assert deaths() == expected


class TestLatestCheckpoint:
    @pytest.fixture
    def leave_checkpoint(self, store, leave_claim):
        def leave(number, keys, content=b"checkpoint"):
            folder = store.attempt(leave_claim(KEYS[0], number).attempt)
            folder.manifest_path.write_text('{"dtype": "float32"}')
            folder.progress_path.write_text(json.dumps(dict.fromkeys(keys, 10)))
            folder.checkpoint_path.write_bytes(content)
            return folder

        return leave

    def test_there_is_none_before_the_first(self, store, leave_claim):
        assert latest_checkpoint(store, KEYS[0]) is None
        leave_claim(KEYS[0])
        assert latest_checkpoint(store, KEYS[0]) is None

    def test_the_newest_attempt_that_left_one_with_the_run_in_it(self, store, leave_checkpoint, leave_claim):
        leave_checkpoint(1, KEYS[:2])
        second = leave_checkpoint(2, KEYS[:2])
        leave_checkpoint(3, KEYS[1:2])
        leave_claim(KEYS[0], 4)
        (store.run_folder(KEYS[0]) / "claim.5").write_bytes(b"torn")
        found = latest_checkpoint(store, KEYS[0])
        assert found.path == second.checkpoint_path
        assert found.attempt == second.path.name
        assert found.manifest == {"dtype": "float32"}

    def test_one_whose_runs_are_not_known_yet_is_not_the_latest(self, store, leave_checkpoint):
        """Killed between the checkpoint and what says which runs it holds, an attempt leaves no harm."""
        first = leave_checkpoint(1, KEYS[:1])
        leave_checkpoint(2, KEYS[:1]).progress_path.unlink()
        leave_checkpoint(3, KEYS[:1]).progress_path.write_text('{"')
        assert latest_checkpoint(store, KEYS[0]).path == first.checkpoint_path

    def test_a_torn_manifest_makes_a_checkpoint_useless(self, store, leave_checkpoint):
        first = leave_checkpoint(1, KEYS[:1])
        leave_checkpoint(2, KEYS[:1]).manifest_path.write_text("{")
        assert latest_checkpoint(store, KEYS[0]).path == first.checkpoint_path
