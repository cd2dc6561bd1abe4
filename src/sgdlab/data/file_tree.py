"""Many small files under one name: in a folder, or in a zip archive that is read where it lies."""

from __future__ import annotations

import zipfile
import zlib
from collections import defaultdict
from pathlib import Path
from typing import Protocol

from sgdlab.errors import UserError


class FileTree(Protocol):
    """Files by their paths below the root, with slashes."""

    def names(self, below: str) -> list[str]:
        """Return the names of the files in one folder; none where there is no such folder."""
        ...

    def read(self, name: str) -> bytes:
        """Return the content of a file, or raise a UserError that says why it can't be read."""
        ...

    def text(self, name: str) -> str:
        """Return the content of a text file."""
        ...

    def place(self, name: str) -> str:
        """Return what a message calls a file or folder."""
        ...


class Folder:
    """Files on the disk; see `FileTree`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self, below: str) -> list[str]:
        """Return names; see `FileTree.names`."""
        folder = self._root / below
        return [path.name for path in folder.iterdir()] if folder.is_dir() else []

    def read(self, name: str) -> bytes:
        """Return a content; see `FileTree.read`."""
        try:
            return (self._root / name).read_bytes()
        except OSError as error:
            raise UserError(f"{self.place(name)} can't be read: {error.strerror}.") from error

    def text(self, name: str) -> str:
        """Return a content; see `FileTree.text`."""
        return self.read(name).decode()

    def place(self, name: str) -> str:
        """Return the path."""
        return str(self._root / name)


class ZipArchive:
    """Files of an archive below one of its folders; see `FileTree`. Nothing of it is written to the disk."""

    def __init__(self, path: Path, root: str) -> None:
        self._path, self._root = path, root
        try:
            self._archive = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise self._unreadable(str(error)) from error
        self._names: dict[str, list[str]] = defaultdict(list)
        for member in self._archive.namelist():
            folder, _, name = member.rpartition("/")
            if name:
                self._names[folder].append(name)

    def names(self, below: str) -> list[str]:
        """Return names; see `FileTree.names`."""
        return self._names.get(f"{self._root}/{below}", [])

    def read(self, name: str) -> bytes:
        """Return a content, whose CRC is right; see `FileTree.read`."""
        try:
            return self._archive.read(f"{self._root}/{name}")
        except KeyError:
            raise UserError(f"{self._path} holds no {self._root}/{name}.") from None
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise self._unreadable(str(error)) from error

    def text(self, name: str) -> str:
        """Return a content; see `FileTree.text`."""
        return self.read(name).decode()

    def place(self, name: str) -> str:
        """Return archive and member."""
        return f"{self._path}: {self._root}/{name}"

    def _unreadable(self, reason: str) -> UserError:
        return UserError(
            f"{self._path} can't be read: {reason}. Replace it, or delete it to have it downloaded."
        )
