"""Whether this machine can run a private Slurm."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

# Daemons lie in sbin, which isn't on everybody's PATH.
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])
SYSTEM_TABLES = Path("/usr/share/mysql/mysql_system_tables.sql")

_PACKAGES = {
    "slurmctld": "slurm-wlm",
    "slurmd": "slurm-wlm",
    "sbatch": "slurm-wlm",
    "slurmdbd": "slurmdbd",
    "munged": "munge",
    "mariadbd": "mariadb-server",
}


def why_not() -> str | None:
    """Return why no cluster can be started here, in words, or None where one can."""
    missing = dict.fromkeys(package for name, package in _PACKAGES.items() if not program(name))
    if not SYSTEM_TABLES.exists():
        missing["mariadb-server"] = None
    if missing:
        return f"no Slurm here: apt-get install --no-install-recommends {' '.join(missing)}"
    if os.geteuid() != 0:
        return "a private Slurm's daemons need root"
    try:
        own_address()
    except OSError as error:
        return f"a private Slurm's daemons look up this machine's name: {error}"
    return None


def program(name: str) -> str | None:
    """Return where a program lies, or None."""
    return shutil.which(name, path=PATH)


def host_name() -> str:
    """Return this machine's name as Slurm writes it: without its domain."""
    return socket.gethostname().partition(".")[0]


def own_address() -> str:
    """Return the address that the daemons listen on: told not to take every one, they take their host name's.

    Raises
    ------
    OSError
        The host's name has no address.
    """
    return socket.gethostbyname(socket.gethostname())
