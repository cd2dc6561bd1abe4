"""Which process holds a claim, and whether it is certainly gone."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process, told apart from every other one that had or will have its number."""

    host: str
    boot_id: str  # this boot of this kernel, and the pid namespace: within one, a pid means one process
    pid: int
    pid_start: int  # clock ticks from boot to the start of the process: no wall clock, so nothing moves it

    @classmethod
    def current(cls) -> Process:
        """Return the calling process."""
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> Process:
        """Return a process of this machine."""
        status = _status(pid)
        return cls(socket.gethostname(), _boot_id(), pid, status[1] if status else 0)

    def is_gone(self) -> bool:
        """Return whether the process has surely ended: only a process of the same boot can be judged."""
        if self.boot_id != _boot_id():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # somebody else's process, or a successor with the same number
        status = _status(self.pid)
        if status is None:
            return False  # /proc hides other people's processes here
        state, start = status
        return state in ("Z", "X") or start != self.pid_start


def _status(pid: int) -> tuple[str, int] | None:
    """Return the state's letter and the start in ticks after boot, or None where it can't be read."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before may hold spaces and parentheses
    return fields[0], int(fields[19])


@cache
def _boot_id() -> str:
    """Return a name of this boot and pid namespace; where there is no /proc, one that nobody shares."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return uuid.uuid4().hex
