"""Files in every form they come in, and every way in which they can be wrong.

Downloads are tested against an HTTP server on this machine, their absence against a port that is closed.
"""

import functools
import gzip
import hashlib
import http.server
import io
import lzma
import os
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sgdlab.data.files import Source, read_files
from sgdlab.errors import UserError

CONTENT = {
    "images": b"\x00\x00\x08\x03" + bytes(range(200)) * 40,
    "labels": b"\x00\x00\x08\x01" + b"\x07" * 90,
}


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def tar_gz(contents: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"made-by/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def nowhere() -> str:
    """The address of a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """An HTTP server: its address, and the folder it serves."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None: ...

    folder = tmp_path_factory.mktemp("served")
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=folder)
    ) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_address[1]}/", folder
        serving.shutdown()
        thread.join()


def files_of(url: str) -> Source:
    """A data set of two files, each published as .gz."""
    downloads = {f"{name}.gz": md5(gzip.compress(content, mtime=1)) for name, content in CONTENT.items()}
    return Source("Tiny", ("tiny", "Tiny/raw"), url, {n: md5(c) for n, c in CONTENT.items()}, downloads)


def archive_of(url: str) -> Source:
    """A data set of two files, published in one archive."""
    downloads = {"tiny.tar.gz": md5(tar_gz(CONTENT))}
    return Source("Tiny", ("tiny", "tiny-py"), url, {n: md5(c) for n, c in CONTENT.items()}, downloads)


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


# ---- forms and places -----------------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["tiny", "Tiny/raw", "."])
@pytest.mark.parametrize(
    ("suffix", "pack"),
    [
        ("", bytes),
        (".gz", gzip.compress),
        (".gz", functools.partial(gzip.compress, mtime=0)),  # a stripped header: another file, same content
        (".gz", bytes),  # unpacked by a browser that kept the name
        (".xz", lzma.compress),
    ],
)
def test_every_form_is_read_in_every_place(tmp_path, nowhere, below, suffix, pack) -> None:
    for name, content in CONTENT.items():
        write(tmp_path / below / f"{name}{suffix}", pack(content))
    assert read_files(files_of(nowhere), list(CONTENT), tmp_path) == CONTENT


def test_only_the_named_files_are_needed(tmp_path, nowhere) -> None:
    write(tmp_path / "tiny" / "labels", CONTENT["labels"])
    assert read_files(files_of(nowhere), ["labels"], tmp_path) == {"labels": CONTENT["labels"]}


def test_the_data_sets_own_folder_comes_before_the_data_folder(tmp_path, nowhere) -> None:
    write(tmp_path / "labels", b"another data set's file of the same name")
    write(tmp_path / "tiny" / "labels.gz", gzip.compress(CONTENT["labels"]))
    assert read_files(files_of(nowhere), ["labels"], tmp_path) == {"labels": CONTENT["labels"]}


@pytest.mark.parametrize("below", ["tiny", "tiny-py", "."])
def test_files_are_read_from_the_archive_they_are_published_in(tmp_path, nowhere, below) -> None:
    write(tmp_path / below / "tiny.tar.gz", tar_gz({"readme.html": b"not asked for", **CONTENT}))
    assert read_files(archive_of(nowhere), list(CONTENT), tmp_path) == CONTENT


@pytest.mark.parametrize("name", ["tiny.tar.gz", "tiny.tgz"])
def test_nothing_of_an_archive_is_written_wherever_its_members_point(tmp_path, nowhere, name) -> None:
    inside = tmp_path / "data" / "tiny"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for member_name, content in {f"{tmp_path}/absolute": b"", "../outside": b"", **CONTENT}.items():
            member = tarfile.TarInfo(member_name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("labels-of-others")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    write(inside / name, buffer.getvalue())
    source = replace(archive_of(nowhere), downloads={name: md5(buffer.getvalue())})
    assert read_files(source, list(CONTENT), tmp_path / "data") == CONTENT
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [inside / name]


def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path, nowhere) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        link = tarfile.TarInfo("labels")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    write(tmp_path / "tiny" / "tiny.tar.gz", buffer.getvalue())
    with pytest.raises(UserError, match=r"tiny\.tar\.gz (holds no labels|can't be read)"):
        read_files(archive_of(nowhere), ["labels"], tmp_path)


def test_a_file_of_its_own_comes_before_the_archive(tmp_path, nowhere) -> None:
    write(tmp_path / "tiny" / "tiny.tar.gz", tar_gz({"images": CONTENT["images"], "labels": b"stale"}))
    write(tmp_path / "tiny" / "labels.xz", lzma.compress(CONTENT["labels"]))
    assert read_files(archive_of(nowhere), list(CONTENT), tmp_path) == CONTENT


# ---- wrong, damaged, missing ----------------------------------------------------------------------------


def test_a_wrong_file_is_named_with_both_checksums(tmp_path, nowhere) -> None:
    path = write(tmp_path / "labels.gz", gzip.compress(b"something else"))
    with pytest.raises(UserError) as caught:
        read_files(files_of(nowhere), ["labels"], tmp_path)
    assert str(caught.value) == (
        f"{path} does not hold the original labels of Tiny: the md5 of its uncompressed content is "
        f"{md5(b'something else')}, expected {md5(CONTENT['labels'])}.\n"
        f"Put the original into {tmp_path / 'tiny'}, or remove this file to have it downloaded."
    )


def test_a_wrong_file_in_an_archive_is_refused(tmp_path, nowhere) -> None:
    write(tmp_path / "tiny" / "tiny.tar.gz", tar_gz({**CONTENT, "labels": b"something else"}))
    with pytest.raises(UserError, match=r"tiny\.tar\.gz does not hold the original labels of Tiny"):
        read_files(archive_of(nowhere), list(CONTENT), tmp_path)


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [cut, flipped])
@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_a_damaged_file_is_one_readable_error(tmp_path, nowhere, suffix, pack, damage) -> None:
    path = write(tmp_path / "tiny" / f"images{suffix}", damage(pack(CONTENT["images"])))
    with pytest.raises(UserError) as caught:
        read_files(files_of(nowhere), ["images"], tmp_path)
    assert str(caught.value).startswith(f"{path} can't be read: ")
    assert str(caught.value).endswith("Replace it, or delete it to have it downloaded.")


@pytest.mark.parametrize("damage", [cut, flipped])
def test_a_damaged_archive_is_one_readable_error(tmp_path, nowhere, damage) -> None:
    path = write(tmp_path / "tiny.tar.gz", damage(tar_gz({"images": os.urandom(50_000), **CONTENT})))
    with pytest.raises(UserError) as caught:
        read_files(archive_of(nowhere), list(CONTENT), tmp_path)
    assert str(caught.value).startswith(f"{path} ")


def test_an_archive_without_the_file_says_so(tmp_path, nowhere) -> None:
    path = write(tmp_path / "tiny.tar.gz", tar_gz({"images": CONTENT["images"]}))
    with pytest.raises(UserError) as caught:
        read_files(archive_of(nowhere), list(CONTENT), tmp_path)
    assert str(caught.value) == f"{path} holds no labels. Replace it, or delete it to have it downloaded."


def test_without_file_and_network_the_error_says_all_one_needs(tmp_path, nowhere) -> None:
    write(tmp_path / "tiny" / "labels", CONTENT["labels"])
    with pytest.raises(UserError) as caught:
        read_files(files_of(nowhere), list(CONTENT), tmp_path)
    assert str(caught.value) == (
        f"Tiny is not complete: images not found in {tmp_path / 'tiny'}, and the download failed "
        f"({nowhere}images.gz can't be reached).\n"
        f"Put the files (raw, .gz or .xz) into {tmp_path / 'tiny'}, or name the data folder that has them: "
        f"folders.data=FOLDER, or the environment variable SGDLAB_DATA.\n"
        f"They come from {nowhere} (images.gz, labels.gz)."
    )


def test_without_the_archive_the_error_names_it(tmp_path, nowhere) -> None:
    with pytest.raises(
        UserError, match=r"(?s)images, labels not found in .*raw, \.gz, \.xz, or all in tiny\.tar\.gz"
    ):
        read_files(archive_of(nowhere), list(CONTENT), tmp_path / "new")


# ---- downloads ------------------------------------------------------------------------------------------


def test_missing_files_are_downloaded_once_and_found_again(tmp_path, server, nowhere) -> None:
    url, served = server
    for name, content in CONTENT.items():
        write(served / f"{name}.gz", gzip.compress(content, mtime=1))
    assert read_files(files_of(url), list(CONTENT), tmp_path) == CONTENT
    assert sorted(os.listdir(tmp_path / "tiny")) == ["images.gz", "labels.gz"]
    assert read_files(files_of(nowhere), list(CONTENT), tmp_path) == CONTENT


def test_a_missing_archive_is_downloaded(tmp_path, server) -> None:
    url, served = server
    write(served / "tiny.tar.gz", tar_gz_served := tar_gz(CONTENT))
    source = Source("Tiny", ("tiny",), url, archive_of(url).contents, {"tiny.tar.gz": md5(tar_gz_served)})
    assert read_files(source, list(CONTENT), tmp_path) == CONTENT


def test_a_download_with_another_checksum_leaves_nothing(tmp_path, server) -> None:
    url, served = server
    write(served / "images.gz", b"<html>please log in</html>")
    with pytest.raises(UserError, match=r"images\.gz: MD5 hash of downloaded file .* does not match"):
        read_files(files_of(url), ["images"], tmp_path)
    assert os.listdir(tmp_path / "tiny") == []


def test_a_file_that_the_server_has_not_is_reported(tmp_path, server) -> None:
    with pytest.raises(UserError, match=r"labels\.gz: 404 Client Error"):
        read_files(files_of(server[0]), ["labels"], tmp_path)


def test_a_data_folder_that_cannot_be_made_is_reported(tmp_path, nowhere) -> None:
    write(tmp_path / "file", b"")
    with pytest.raises(UserError, match=r"Tiny is not complete: labels not found in .*Not a directory"):
        read_files(files_of(nowhere), ["labels"], tmp_path / "file")


@pytest.fixture
def stalling() -> Iterator[tuple[str, threading.Event]]:
    """A server that sends half of a file and then no more: its address, and what is set once it has."""
    sent, done = threading.Event(), threading.Event()

    class Stalling(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(b"\x00" * 500_000)
            self.wfile.flush()
            sent.set()
            done.wait(60)

        def log_message(self, *args: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stalling) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_address[1]}/", sent
        done.set()
        serving.shutdown()
        thread.join()


def test_a_download_that_is_killed_leaves_no_file_and_the_next_one_goes_through(
    tmp_path, stalling, server
) -> None:
    url, sent = stalling
    program = (
        f"from sgdlab.data.download import fetch\nfrom pathlib import Path\nfetch({url + 'images.gz'!r}, "
    )
    program += f"{'0' * 32!r}, Path({str(tmp_path / 'tiny')!r}))"
    downloading = subprocess.Popen([sys.executable, "-c", program])
    assert sent.wait(60)
    downloading.kill()
    downloading.wait()
    assert not (tmp_path / "tiny" / "images.gz").exists()
    url, served = server
    write(served / "images.gz", gzip.compress(CONTENT["images"], mtime=1))
    assert read_files(files_of(url), ["images"], tmp_path) == {"images": CONTENT["images"]}
