import errno
import os

import pytest

from sgdlab.runs.files import link, replace, sync, temporary


def test_a_name_is_taken_once(tmp_path):
    (tmp_path / "first").write_text("first")
    (tmp_path / "second").write_text("second")
    assert link(tmp_path / "first", tmp_path / "name")
    assert not link(tmp_path / "second", tmp_path / "name")
    assert (tmp_path / "name").read_text() == "first"


def test_a_link_that_was_made_although_its_answer_was_lost_is_won(tmp_path, monkeypatch):
    """NFS: the server links, the answer is lost, the client asks again and is told that the name is taken."""
    source = tmp_path / "source"
    source.write_text("content")
    real_link = os.link

    def link_twice(*names):
        real_link(*names)
        real_link(*names)

    monkeypatch.setattr(os, "link", link_twice)
    assert link(source, tmp_path / "name")


def test_a_temporary_name_is_gone_afterwards_even_after_an_error(tmp_path):
    def fail():
        with temporary(tmp_path / "file") as name:
            name.write_text("half")
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_as_a_whole(tmp_path):
    replace(tmp_path / "file", b"old")
    replace(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(("number", "is_tolerated"), [(errno.EINVAL, True), (errno.EIO, False)])
def test_only_a_folder_that_cannot_be_synced_is_let_pass(tmp_path, monkeypatch, number, is_tolerated):
    def refuse(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    if is_tolerated:
        sync(tmp_path)
    else:
        with pytest.raises(OSError, match="Input/output error"):
            sync(tmp_path)
