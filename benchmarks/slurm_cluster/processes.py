"""The processes of one cluster, and the keeper that ends them when their owner has gone.

Slurm puts SLURM_CLUSTER_NAME into the environment of every job; the daemons are started with it as well. As
a name is never given twice, a process that carries it belongs to this cluster, whoever its parent is now: no
file of process numbers is needed, which could go stale and name a stranger. psutil compares start times
before it kills. A slurmstepd overwrites its environment with its title, and is known by the folder that it
works in.

The keeper is this file as a program, with a pipe to its owner as its input. The kernel closes the pipe when
the owner ends, however it ends; then the keeper kills what carries the name. A signal at the parent's death
(PR_SET_PDEATHSIG) would reach the daemons alone: jobs and their slurmstepds aren't children of the owner.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

MARK = "SLURM_CLUSTER_NAME"
Environment = Mapping[str, str]


def processes_of(cluster: str, chosen: Callable[[Environment], bool] = bool) -> list[psutil.Process]:
    """Return the living processes of a cluster whose environment, as they were started, is chosen."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            environment = _environment(process)
            if environment.get(MARK) == cluster and chosen(environment):
                found.append(process)
    return found


def kill(cluster: str, chosen: Callable[[Environment], bool] = bool, timeout_s: float = 20) -> None:
    """Kill the chosen processes of a cluster, and those that they start meanwhile, until none is left.

    Raises
    ------
    TimeoutError
        Some are still there.
    """
    deadline = time.monotonic() + timeout_s
    quiet_looks = 0
    while quiet_looks < 2:  # one isn't enough: between fork and exec a daemon has its parent's environment
        found = processes_of(cluster, chosen)
        quiet_looks = 0 if found else quiet_looks + 1
        # All stand still before the first dies: none reports the death of another.
        for end in (psutil.Process.suspend, psutil.Process.kill):
            for process in found:
                with suppress(psutil.NoSuchProcess):
                    end(process)
        if time.monotonic() > deadline:
            raise TimeoutError(f"cluster {cluster}: these outlive SIGKILL: {found}")
        time.sleep(0.02)


def start_keeper(cluster: str) -> subprocess.Popen[bytes]:
    """Start the process that kills a cluster when its standard input is closed."""
    return subprocess.Popen(
        [sys.executable, "-I", __file__, cluster],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is meant for the owner
    )


def _environment(process: psutil.Process) -> Environment:
    """Return the environment that a process was started with, as far as needed; raises for a zombie."""
    if process.name() == "slurmstepd":
        folder = Path(process.cwd())  # slurmd's own, <name of the cluster>/<name of the node>
        return {MARK: folder.parent.name, "SLURMD_NODENAME": folder.name}
    return process.environ()


if __name__ == "__main__":
    sys.stdin.read()
    kill(sys.argv[1])
