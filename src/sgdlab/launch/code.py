"""A copy of sgdlab's code in the store, for jobs that may wait for days while it is worked on."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import subprocess
from functools import cache
from pathlib import Path

from sgdlab.config.folders import shipped_folder
from sgdlab.runs.files import naming
from sgdlab.runs.store import Store

_PACKAGE = Path(__file__).resolve().parents[1]
_COMMIT_FILE = "COMMIT"  # in a copy: where it was taken from
_LEFT_OUT = {"__pycache__", "shipped"}  # no sweeps: jobs have the frozen plan, and what they are to extend
_CONF = Path("shipped", "conf")  # to compose the runs of an extension


def snapshot_code(store: Store) -> Path:
    """Copy the package as it lies on the disk into ``code/<digest>/``, once; return what to put on the path.

    Raises
    ------
    StoreError
        If the store can't be written.
    """
    files = {path: source.read_bytes() for path, source in _files()}  # once: they may be worked on just now
    digest = hashlib.sha256((commit() or "").encode())
    for path, content in files.items():
        digest.update(f"\n{path} {len(content)}\n".encode() + content)
    folder = store.root / "code" / digest.hexdigest()[:16]
    with naming(store.root):
        if not folder.exists():
            fresh = folder.with_name(f".new-{secrets.token_hex(6)}")
            for path, content in {**files, Path(_COMMIT_FILE): (commit() or "").encode()}.items():
                copy = fresh / _PACKAGE.name / path
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(content)
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


def _files() -> list[tuple[Path, Path]]:
    """Return the files to copy: path in the package → where it lies."""
    own = {path.relative_to(_PACKAGE): path for path in _PACKAGE.rglob("*") if path.is_file()}
    own = {path: source for path, source in own.items() if not _LEFT_OUT & set(path.parts)}
    own.pop(Path(_COMMIT_FILE), None)
    conf = shipped_folder("conf")
    conf_files = {_CONF / path.relative_to(conf): path for path in conf.rglob("*") if path.is_file()}
    return sorted({**own, **conf_files}.items())
