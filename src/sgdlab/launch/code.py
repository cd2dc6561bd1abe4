"""A copy of sgdlab's code in the store, for jobs that may wait for days while it is worked on."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import subprocess
from functools import cache
from pathlib import Path

from sgdlab.runs.files import naming
from sgdlab.runs.store import Store

_PACKAGE = Path(__file__).resolve().parents[1]
_COMMIT_FILE = "COMMIT"  # in a copy: where it was taken from
_LEFT_OUT = {"__pycache__", "shipped"}  # a frozen plan needs neither conf nor sweeps


def snapshot_code(store: Store) -> Path:
    """Copy the package as it lies on the disk into ``code/<digest>/``, once; return what to put on the path.

    Raises
    ------
    StoreError
        If the store can't be written.
    """
    files = sorted(
        path
        for path in _PACKAGE.rglob("*")
        if path.is_file() and path.name != _COMMIT_FILE and not _LEFT_OUT & set(path.parts)
    )
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(_PACKAGE)}\n".encode() + path.read_bytes())
    digest.update((commit() or "").encode())
    folder = store.root / "code" / digest.hexdigest()[:16]
    with naming(store.root):
        if not folder.exists():
            fresh = folder.with_name(f".new-{secrets.token_hex(6)}")
            for path in files:
                copy = fresh / _PACKAGE.name / path.relative_to(_PACKAGE)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
            (fresh / _PACKAGE.name / _COMMIT_FILE).write_text(commit() or "")
            try:
                fresh.rename(folder)
            except OSError:  # somebody else was faster
                shutil.rmtree(fresh)
    return folder


@cache
def commit() -> str | None:
    """Return the commit of the checkout that this code comes from, if it is one."""
    recorded = _PACKAGE / _COMMIT_FILE
    if recorded.exists():
        return recorded.read_text() or None
    git = ["git", "-C", str(_PACKAGE)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        changes = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+dirty" if changes.stdout.strip() else "")
