import json
import os

import pytest

from sgdlab.runs.files import StoreError
from sgdlab.runs.journal import Event, Journal, read_new


def _keys(folder, offsets=None):
    return [entry.event.key for entry in read_new(folder, offsets or {})]


def _offsets(folder, offsets=None):
    return {entry.journal: entry.end for entry in read_new(folder, offsets or {})}


def test_a_reader_goes_on_where_it_left(tmp_path):
    first, second = Journal(tmp_path, "first"), Journal(tmp_path, "second")
    first.append(Event("claimed", "a", "attempt"))
    offsets = _offsets(tmp_path)
    first.append(Event("published", "b", "attempt", detail={"n": 1}))
    second.append(Event("claimed", "c", "attempt"))
    assert _keys(tmp_path) == ["a", "b", "c"]
    assert _keys(tmp_path, offsets) == ["b", "c"]
    assert _keys(tmp_path, {**offsets, **_offsets(tmp_path, offsets)}) == []


def test_a_torn_last_line_is_read_once_it_is_whole(tmp_path):
    journal = Journal(tmp_path, "worker")
    journal.append(Event("claimed", "a", "attempt"))
    line = json.dumps({"kind": "published", "key": "b", "attempt": "x"}).encode()
    with journal.path.open("ab") as file:
        file.write(line[:10])
    offsets = _offsets(tmp_path)
    assert _keys(tmp_path) == ["a"]
    with journal.path.open("ab") as file:
        file.write(line[10:] + b"\n")
    assert _keys(tmp_path, offsets) == ["b"]


def test_an_event_after_a_torn_line_is_not_lost_with_it(tmp_path):
    journal = Journal(tmp_path, "worker")
    journal.append(Event("claimed", "a", "attempt"))
    with journal.path.open("ab") as file:
        file.write(b'{"kind": "publ')
    journal.append(Event("claimed", "b", "attempt"))
    assert _keys(tmp_path) == ["a", "b"]


@pytest.mark.parametrize("line", [b"\xff\xfe", b"[1, 2]", b"3", b"null", b'{"other": 1}', b""])
def test_a_line_that_is_no_event_is_passed_over(tmp_path, line):
    journal = Journal(tmp_path, "worker")
    journal.append(Event("claimed", "a", "attempt"))
    with journal.path.open("ab") as file:
        file.write(line + b"\n")
    journal.append(Event("claimed", "b", "attempt"))
    assert _keys(tmp_path) == ["a", "b"]


def test_a_journal_shorter_than_its_offset_is_another_one(tmp_path):
    Journal(tmp_path, "worker").append(Event("claimed", "a", "attempt"))
    assert _keys(tmp_path, {"worker.jsonl": 10_000}) == ["a"]


def test_a_line_goes_out_in_one_write_to_the_end_of_the_file(tmp_path, monkeypatch):
    """Then lines of two writers can't mix, whatever the journal's name."""
    flags, writes = [], []
    real_open, real_write = os.open, os.write
    monkeypatch.setattr(os, "open", lambda *given: (flags.append(given[1]), real_open(*given))[1])
    monkeypatch.setattr(os, "write", lambda *given: (writes.append(given[1]), real_write(*given))[1])
    Journal(tmp_path, "worker").append(Event("claimed", "a", "attempt"))
    assert flags[0] & os.O_APPEND
    assert len(writes) == 1
    assert writes[0].endswith(b"\n")


def test_a_full_disk_is_named(tmp_path):
    journal = Journal(tmp_path, "worker")
    journal.path.symlink_to("/dev/full")
    with pytest.raises(StoreError, match=f"{tmp_path}: No space left on device"):
        journal.append(Event("claimed", "a", "attempt"))


def test_a_line_written_in_part_is_an_error(tmp_path, monkeypatch):
    real_write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real_write(descriptor, data[:5]))
    with pytest.raises(StoreError, match="only a part of a line"):
        Journal(tmp_path, "worker").append(Event("claimed", "a", "attempt"))
