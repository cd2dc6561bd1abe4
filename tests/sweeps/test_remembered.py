"""What is remembered is served only while everything that it was worked out from is the same."""

import os
import signal
from array import array

import pytest

from sgdlab.config.identity import config_digest
from sgdlab.sweeps import fingerprint as fingerprint_module
from sgdlab.sweeps.expand import expand
from sgdlab.sweeps.fingerprint import fingerprint
from sgdlab.sweeps.places import places
from sgdlab.sweeps.remembered import Inputs, SweepKeys, recall, remember

DATA = bytes(range(256)) * 20


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A working folder with a conf and a sweeps folder of its own, and a file elsewhere."""
    desk = tmp_path / "desk"
    for name in ("conf/model/own.yaml", "sweeps/own.yaml", "elsewhere/other.yaml"):
        (desk / name).parent.mkdir(parents=True, exist_ok=True)
        (desk / name).write_text("a: 1\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(desk)
    return desk


@pytest.fixture
def stored(tmp_path):
    """Return the one file of the cache."""

    def find():
        (path,) = (tmp_path / "cache" / "sgdlab" / "remembered").iterdir()
        return path

    return find


def inputs_of(desk):
    return Inputs.now([desk / "elsewhere" / "other.yaml"])


CHANGES = {
    "sweep file": lambda desk, _: (desk / "sweeps/own.yaml").write_text("a: 2\n"),
    "file elsewhere": lambda desk, _: (desk / "elsewhere/other.yaml").write_text("a: 2\n"),
    "conf": lambda desk, _: (desk / "conf/model/own.yaml").write_text("a: 2\n"),
    "new file in conf": lambda desk, _: (desk / "conf/model/mlp.yaml").write_text("a: 1\n"),
    "file gone": lambda desk, _: (desk / "conf/model/own.yaml").unlink(),
    "renamed": lambda desk, _: (desk / "sweeps/own.yaml").rename(desk / "sweeps/our.yaml"),
    "extended file gone": lambda desk, _: (desk / "elsewhere/other.yaml").unlink(),
    "environment": lambda _, patch: patch.setenv("SGDLAB_DATA", "another folder"),  # read by conf/config.yaml
    "code": lambda _, patch: patch.setattr(fingerprint_module, "_of_code", lambda: "other code"),
    "working folder": lambda desk, patch: patch.chdir(desk / "elsewhere"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_nothing_is_served_once_something_has_changed(desk, monkeypatch, change):
    remember(inputs_of(desk), DATA, "keys", "laptop", "own")
    assert recall("keys", "laptop", "own") == DATA
    change(desk, monkeypatch)
    assert recall("keys", "laptop", "own") is None


def test_another_question_has_no_answer(desk):
    remember(inputs_of(desk), DATA, "keys", "laptop", "own")
    assert recall("keys", "paper", "own") is None
    assert recall("keys", "laptop", "own", "optimizer.lr=1") is None


def test_what_changed_during_the_work_is_not_remembered(desk):
    inputs = inputs_of(desk)
    (desk / "sweeps/own.yaml").write_text("a: 2\n")
    remember(inputs, DATA, "keys")
    assert recall("keys") is None


def test_an_answer_is_of_the_inputs_that_were_read(desk):
    before = inputs_of(desk)
    (desk / "sweeps/own.yaml").write_text("a: 2\n")
    remember(inputs_of(desk), DATA, "keys")
    assert recall("keys", inputs=before) is None
    assert recall("keys", inputs=inputs_of(desk)) == DATA


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data[:40],
        lambda data: data[:-1] + b"?",
        lambda data: b"[]" + data[data.index(b"\n") :],
        lambda data: b"\xff" * 100,
    ],
    ids=["empty", "cut", "cut in its header", "another byte", "another header", "no text"],
)
def test_a_damaged_file_is_not_served_and_is_written_anew(desk, stored, damage):
    remember(inputs_of(desk), DATA, "keys")
    stored().write_bytes(damage(stored().read_bytes()))
    assert recall("keys") is None
    remember(inputs_of(desk), DATA, "keys")
    assert recall("keys") == DATA


@pytest.mark.parametrize(
    "text",
    [
        "a: ${now:%H}",
        "a: ${oc.env:${b}}",
        "a: ${ oc.decode:x}",
        "hydra: {searchpath: [file:///x]}",
    ],
)
def test_values_from_elsewhere_are_never_remembered(desk, text):
    (desk / "conf/model/own.yaml").write_text(text)
    assert fingerprint() is None
    remember(inputs_of(desk), DATA, "keys")
    assert recall("keys") is None


def test_plain_variables_of_the_environment_are_part_of_the_fingerprint(desk, monkeypatch):
    (desk / "conf/model/own.yaml").write_text("a: ${oc.env:OWN_A,1}\nb: ${a}\n")
    unset = fingerprint()
    monkeypatch.setenv("OWN_A", "2")
    assert None not in (unset, fingerprint())
    assert fingerprint() != unset


def test_a_cache_that_cannot_be_written_is_passed_over(desk, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    remember(inputs_of(desk), DATA, "keys")
    assert recall("keys") is None


def test_writers_that_are_killed_and_writers_at_once_leave_a_whole_file_or_none(desk, stored):
    children = []
    for _ in range(6):
        child = os.fork()
        if not child:
            while True:
                remember(inputs_of(desk), DATA, "keys")
        children.append(child)
    for child in children:
        while recall("keys") is None:
            pass
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert recall("keys") == DATA


def test_the_oldest_files_are_forgotten(desk, monkeypatch):
    monkeypatch.setattr("sgdlab.sweeps.remembered._MOST_FILES", 2)
    for number in range(4):
        remember(inputs_of(desk), DATA, str(number))
        os.utime(next(iter(_newest(desk))), (number, number))
    assert [recall(str(number)) is not None for number in range(4)] == [False, False, True, True]


def _newest(desk):
    folder = desk.parent / "cache" / "sgdlab" / "remembered"
    return sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)


def test_keys_are_read_as_they_were_written(composer, load, small):
    rows = list(expand(load(small), composer))
    digests = [config_digest(row.run.model_dump(mode="json")) for row in rows]
    num_updates = array("q", [row.run.num_updates for row in rows])
    written = SweepKeys("made/ü", [row.key for row in rows], digests, [rows[0].key], num_updates)
    assert SweepKeys.from_bytes(written.to_bytes()) == written
    assert SweepKeys.from_bytes(SweepKeys("none").to_bytes()) == SweepKeys("none")


def test_places_are_those_of_the_expanded_runs(composer, load, small):
    sweep = load(small)
    expanded = [(row.panel, row.grid, row.point, row.seed) for row in expand(sweep, composer)]
    assert [(place.panel, place.grid, place.point, place.seed) for place in places(sweep)] == expanded
