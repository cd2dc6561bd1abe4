"""What a job takes over from its earlier incarnations, and what it leaves alone."""

import json
from dataclasses import asdict, replace

import pytest

from sgdlab.launch.slurm.job_folder import JobFolder
from sgdlab.runs.attempts import Attempt
from sgdlab.runs.claims import claim
from sgdlab.runs.observer import Observer
from sgdlab.runs.processes import Process

KEY = "0123456789abcdef"


@pytest.fixture
def folder(tmp_path):
    return JobFolder(tmp_path / "jobs" / "3")


@pytest.fixture
def die(store):
    """An attempt whose process is killed on a node that nobody can look at."""

    def die(process, session="submission"):
        attempt = Attempt(store, session, process, heartbeat_every_s=60)
        attempt.folder.mkdir(parents=True)
        (attempt.folder / "holder.json").write_bytes(attempt.holder.to_json())
        (attempt.folder / "heartbeat").write_text("1\n")
        assert claim(store, KEY, attempt)
        return attempt

    return die


@pytest.fixture
def elsewhere():
    return Process("n7", "another boot", 4711, 99)


def test_what_an_earlier_incarnation_left_is_free_at_once_and_no_death(folder, store, die, elsewhere):
    folder.begin(store)
    folder.record_worker(elsewhere)
    die(elsewhere)
    observer = Observer(store, lease_timeout_s=1e9)
    assert observer.holder(KEY).process == elsewhere
    folder.begin(store)
    assert observer.holder(KEY) is None
    die(replace(elsewhere, pid=4712))
    assert observer.wordless_deaths(KEY, "submission") == 0


def test_other_jobs_attempts_are_left_alone(folder, store, die, elsewhere):
    folder.begin(store)
    folder.record_worker(elsewhere)
    die(replace(elsewhere, pid_start=98))  # the same number before
    folder.begin(store)
    assert Observer(store, lease_timeout_s=1e9).holder(KEY) is not None


def test_a_torn_line_costs_nothing_but_itself(folder, store, die, elsewhere):
    folder.begin(store)
    folder.record_worker(elsewhere)
    with (folder.path / "workers.jsonl").open("a") as file:
        file.write('{"host": "n7", "boo')
    die(elsewhere)
    folder.begin(store)
    assert Observer(store, lease_timeout_s=1e9).holder(KEY) is None


def test_the_last_word_is_forgotten_when_the_job_begins_again(folder, store):
    assert folder.ended() is None
    folder.begin(store)
    folder.end("broken", "no GPU")
    assert (folder.ended().reason, folder.ended().text, folder.index) == ("broken", "no GPU", 3)
    folder.begin(store)
    assert folder.ended() is None


def test_an_orphan_has_no_last_word(folder, store, elsewhere):
    folder.begin(store)
    assert folder.is_held()
    (folder.path / "begun.json").write_text(json.dumps(asdict(elsewhere)))  # the rerun, on another node
    assert not folder.is_held()
    folder.end("finished")
    assert folder.ended() is None
