"""Writing so that a process killed at any instant leaves the old file or the new one, never half of one.

Everything is written under a temporary name in its own folder and then linked or renamed: a link refuses a
name that is taken (the first wins), a rename overwrites it (the last wins).
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sgdlab.errors import UserError


class StoreError(UserError):
    """The store's folder can't be read or written."""


@contextmanager
def naming(folder: Path) -> Iterator[None]:
    """Turn the system's refusals inside the block into one `StoreError` that names `folder`."""
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0)
        if advice is None:
            raise
        raise StoreError(f"{folder}: {os.strerror(error.errno or 0)}. {advice}") from error


@contextmanager
def temporary(path: Path) -> Iterator[Path]:
    """Give a name beside `path` that nobody else has; what is still there at the end is removed."""
    name = path.with_name(f".{path.name}-{secrets.token_hex(6)}")
    try:
        yield name
    finally:
        with suppress(FileNotFoundError):
            name.unlink()


def write_synced(path: Path, data: bytes) -> None:
    """Write a file and wait until it is on the disk."""
    path.write_bytes(data)
    sync(path)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems can't sync a folder
            raise
    finally:
        os.close(descriptor)


def replace(path: Path, data: bytes) -> None:
    """Write `path` as a whole; the last writer wins."""
    with temporary(path) as name:
        write_synced(name, data)
        os.replace(name, path)


def link(source: Path, path: Path) -> bool:
    """Give `source` the second name `path`; return False if that name was taken. Exactly one caller wins."""
    try:
        os.link(source, path)
    except FileExistsError:
        # NFS may carry the link out, lose the answer, ask again and report that the name is taken.
        return source.stat().st_nlink > 1
    return True


def remove_folder(folder: Path, trash: Path) -> None:
    """Remove a folder in one step as seen by others: it is renamed into `trash` and emptied there."""
    trash.mkdir(exist_ok=True)
    grave = trash / secrets.token_hex(6)
    try:
        folder.rename(grave)
    except FileNotFoundError:
        return  # somebody else has
    shutil.rmtree(grave, ignore_errors=True)


_FULL = "Free some space, or name another folder with folders.store=…; what was finished is safe"
_DENIED = "Check who may write there, or name another folder with folders.store=…"
_NO_FOLDER = "Something on this path is a file; name another folder with folders.store=…"
_ADVICE = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _DENIED,
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.ENOTDIR: _NO_FOLDER,
    errno.EEXIST: _NO_FOLDER,
}
