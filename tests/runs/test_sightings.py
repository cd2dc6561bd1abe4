"""Short commands remember heartbeats: a worker on another machine is silent once time has told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sgdlab.runs import sightings
from sgdlab.runs.attempts import Attempt
from sgdlab.runs.claims import claim
from sgdlab.runs.observer import read_claims
from sgdlab.runs.processes import Process
from sgdlab.runs.sightings import remembering_observer
from sgdlab.runs.store import Store

KEY = "ab" + 62 * "0"
LEASE_S = 100.0


@pytest.fixture
def now(monkeypatch, tmp_path):
    """Seconds since the boot, to be set; the cache is an empty one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    clock = {"now": 1000.0}
    monkeypatch.setattr(sightings, "_seconds_since_boot", lambda: clock["now"])
    return clock


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An attempt that holds a run, of a process on another machine."""
    store = Store(tmp_path / "store")
    store.open_for_writing()
    here = Process.current()
    monkeypatch.setattr(Process, "current", classmethod(lambda _: replace(here, boot_id="another")))
    attempt = Attempt.start(store, "session", heartbeat_every_s=1000)
    monkeypatch.undo()
    assert claim(store, KEY, attempt)
    return store, attempt


def judge(store, attempt) -> str:
    """What a command of its own says."""
    with remembering_observer(store, LEASE_S) as observer:
        return observer.judge(attempt.id, read_claims(store, KEY)[-1].holder)


def test_it_takes_a_lease_between_two_commands(elsewhere, now):
    assert judge(*elsewhere) == "alive"
    now["now"] += LEASE_S - 1
    assert judge(*elsewhere) == "alive"
    now["now"] += 1
    assert judge(*elsewhere) == "silent"
    elsewhere[1]._beat()
    assert judge(*elsewhere) == "alive"
    now["now"] += LEASE_S - 1
    assert judge(*elsewhere) == "alive"


def test_a_command_about_other_runs_forgets_nothing(elsewhere, now):
    judge(*elsewhere)
    with remembering_observer(elsewhere[0], LEASE_S):
        pass
    now["now"] += LEASE_S
    assert judge(*elsewhere) == "silent"


@pytest.mark.parametrize("damage", ["", "{", '{"boot": 1}', '{"boot": "b", "seen": {"a": 1}}', "[]"])
def test_a_damaged_file_counts_for_nothing(elsewhere, now, damage, tmp_path):
    judge(*elsewhere)
    (path,) = (tmp_path / "cache").rglob("sightings/*.json")
    path.write_text(damage)
    now["now"] += LEASE_S
    assert judge(*elsewhere) == "alive"
    assert json.loads(path.read_text())["seen"]


def test_another_boot_has_another_clock(elsewhere, now, monkeypatch, tmp_path):
    judge(*elsewhere)
    (path,) = (tmp_path / "cache").rglob("sightings/*.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "boot": "earlier"}))
    now["now"] += LEASE_S
    assert judge(*elsewhere) == "alive"


def test_attempts_that_ended_are_dropped(elsewhere, now, tmp_path):
    judge(*elsewhere)
    elsewhere[1].end("released")
    assert judge(*elsewhere) == "ended"
    (path,) = (tmp_path / "cache").rglob("sightings/*.json")
    assert json.loads(path.read_text())["seen"] == {}
