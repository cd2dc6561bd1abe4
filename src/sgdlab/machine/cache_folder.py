"""Where caches of this machine lie: never on a network file system, where SQLite's locks can't be trusted."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import psutil

# as /proc/mounts names them, with or without "fuse." before
_NETWORK_FILE_SYSTEMS = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre"}
    | {"nfs", "nfs4", "panfs", "pvfs2", "smb3", "sshfs", "wekafs"}
)


def cache_folder() -> Path:
    """Return the user's cache folder, or one in the temporary folder where the former is on the network."""
    wanted = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sgdlab"
    if _file_system(wanted).removeprefix("fuse.") in _NETWORK_FILE_SYSTEMS:
        return Path(tempfile.gettempdir()) / f"sgdlab-{os.getuid()}"
    return wanted


def _file_system(path: Path) -> str:
    """Return the type of the file system that a path lies on, or would."""
    parents = {str(parent) for parent in (path.resolve(), *path.resolve().parents)}
    mounts = [mount for mount in psutil.disk_partitions(all=True) if mount.mountpoint in parents]
    return max(mounts, key=lambda mount: len(mount.mountpoint)).fstype if mounts else ""
