"""Downloads that are whole or absent: each file appears under its name once its checksum is right."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

# Seconds to connect, and to wait for the next bytes: a machine without network shall say so at once.
_TIMEOUT_S = (3.0, 20.0)


class NotFetchedError(Exception):
    """A file that could not be had; its text is the reason."""


def fetch(url: str, md5: str, folder: Path) -> Path:
    """Download a file into a folder, unless it is there, and return its path.

    Raises
    ------
    NotFetchedError
        If the host can't be reached or hasn't got it, if its md5 is another one, or the disk refuses it.
    """
    import pooch
    import requests
    from filelock import FileLock

    downloader = pooch.HTTPDownloader(timeout=_TIMEOUT_S, chunk_size=1 << 16)
    try:
        with FileLock(_lock_of(folder)):  # several workers start at once: one fetches, all use it
            name = url.rpartition("/")[2]
            path = Path(pooch.retrieve(url, f"md5:{md5}", name, folder, downloader=downloader))
        path.chmod(0o644)  # a data folder is shared; pooch's files are their owner's alone
    except (requests.ConnectionError, requests.Timeout) as error:
        raise NotFetchedError(f"{url} can't be reached") from error
    except (OSError, ValueError) as error:  # an answer such as 404, a full disk, another checksum
        raise NotFetchedError(f"{url}: {' '.join(str(error).split())}") from error
    return path


def _lock_of(folder: Path) -> Path:
    """Return a lock of this machine for a folder; workers of other machines fetch for themselves, safely."""
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"sgdlab-download-{digest}.lock"
