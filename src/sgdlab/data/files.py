"""Original files of a data set: find them, check them, download what is missing.

A file may be raw or compressed with gzip or xz, by itself or inside the archive that its makers publish.
What counts is the md5 of the uncompressed content: a repacked file is as good as the original. An archive is
read where it lies; nothing of it is written to the disk, whatever its members are called.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sgdlab.data.download import NotFetchedError, fetch
from sgdlab.errors import UserError

_GZIP_MAGIC, _XZ_MAGIC = b"\x1f\x8b", b"\xfd7zXZ\x00"
_DAMAGE = (OSError, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError)


@dataclass(frozen=True)
class Source:
    """The files of one data set, and where they come from."""

    title: str
    folders: tuple[str, ...]  # below the data folder; the first one is where downloads go
    url: str  # folder on the web that holds the downloads
    contents: Mapping[str, str]  # file name → md5 of its uncompressed content
    downloads: Mapping[str, str]  # file name on the web → md5; each file as .gz, or all in one archive

    @property
    def archive(self) -> str | None:
        """Name of the one archive with all files, if that is how the data set is published."""
        return next((name for name in self.downloads if name.endswith((".tar.gz", ".tgz"))), None)


def read_files(source: Source, names: Sequence[str], folder: Path) -> dict[str, bytes]:
    """Return the uncompressed content of the named files, each with the md5 that was published.

    Raises
    ------
    UserError
        If a file is missing and can't be downloaded, can't be read, or has another content.
    """
    places = _find(source, names, folder)
    missing = [name for name in names if name not in places]
    if missing:
        _download(source, missing, folder)
        places = _find(source, names, folder)
    contents: dict[str, bytes] = {}
    for path in sorted(set(places.values())):
        wanted = [name for name in names if places[name] == path]
        contents |= _read_archive(path, wanted) if path.name == source.archive else {wanted[0]: _read(path)}
    for name, path in places.items():
        _check(source, name, path, contents[name], folder)
    return contents


def _find(source: Source, names: Sequence[str], folder: Path) -> dict[str, Path]:
    """Return where each file lies, or the archive that holds it; a file of its own comes first."""
    folders = [*(folder / below for below in source.folders), folder]
    places: dict[str, Path] = {}
    for name in names:
        candidates = [place / f"{name}{suffix}" for place in folders for suffix in ("", ".gz", ".xz")]
        if source.archive is not None:
            candidates += [place / source.archive for place in folders]
        found = next((path for path in candidates if os.path.isfile(path)), None)
        if found is not None:
            places[name] = found
    return places


def _read(path: Path) -> bytes:
    """Read a file, and uncompress it by what it holds: browsers unpack .gz and keep the name."""
    try:
        content = path.read_bytes()
        if content.startswith(_GZIP_MAGIC):
            return gzip.decompress(content)
        if content.startswith(_XZ_MAGIC):
            return lzma.decompress(content)
    except _DAMAGE as error:
        raise _unreadable(path, error) from error
    return content


def _read_archive(path: Path, names: Sequence[str]) -> dict[str, bytes]:
    """Read files out of a tar archive in one pass, as far as needed; going back would uncompress it again."""
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(path, mode="r|gz") as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                if name in names and (file := archive.extractfile(member)) is not None:
                    contents[name] = file.read()
                if len(contents) == len(names):
                    break
    except _DAMAGE as error:
        raise _unreadable(path, error) from error
    absent = [name for name in names if name not in contents]
    if absent:
        raise UserError(
            f"{path} holds no {', '.join(absent)}. Replace it, or delete it to have it downloaded."
        )
    return contents


def _check(source: Source, name: str, path: Path, content: bytes, folder: Path) -> None:
    found, expected = hashlib.md5(content, usedforsecurity=False).hexdigest(), source.contents[name]
    if found != expected:
        raise UserError(
            f"{path} does not hold the original {name} of {source.title}: "
            f"the md5 of its uncompressed content is {found}, expected {expected}.\n"
            f"Put the original into {folder / source.folders[0]}, or remove this file to have it downloaded."
        )


def _download(source: Source, missing: Sequence[str], folder: Path) -> None:
    """Fetch what holds the missing files."""
    needed = [source.archive] if source.archive is not None else [f"{name}.gz" for name in missing]
    for name in needed:
        try:
            fetch(source.url + name, source.downloads[name], folder / source.folders[0])
        except NotFetchedError as error:
            raise _missing(source, missing, folder, str(error)) from error


def _missing(source: Source, missing: Sequence[str], folder: Path, reason: str) -> UserError:
    target = folder / source.folders[0]
    forms = "raw, .gz or .xz" if source.archive is None else f"raw, .gz, .xz, or all in {source.archive}"
    return UserError(
        f"{source.title} is not complete: {', '.join(missing)} not found in {target}, "
        f"and the download failed ({reason}).\n"
        f"Put the files ({forms}) into {target}, or name the data folder that has them: "
        f"folders.data=FOLDER, or the environment variable SGDLAB_DATA.\n"
        f"They come from {source.url} ({', '.join(source.downloads)})."
    )


def _unreadable(path: Path, error: BaseException) -> UserError:
    return UserError(f"{path} can't be read: {error}. Replace it, or delete it to have it downloaded.")
