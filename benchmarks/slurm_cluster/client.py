"""Slurm's own commands, asked by programs: what they print, as records.

Jobs are named as Slurm writes them: "12", and "12_3" for a task of an array.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class QueuedJob:
    """A line of squeue, one a task of an array."""

    job: str
    state: str  # in capitals: PENDING, RUNNING, COMPLETING and so on
    partition: str
    node: str  # empty while it waits
    reason: str
    name: str


@dataclass(frozen=True)
class AccountedJob:
    """A line of sacct, one a job or task of an array."""

    job: str
    state: str  # in capitals; CANCELLED without by whom
    exit_code: str  # status:signal
    partition: str
    node: str
    name: str


class Client:
    """Commands given to one Slurm; those that fail raise RuntimeError with what they say.

    Parameters
    ----------
    environment
        The variables that lead to it, and PATH. Commands and their jobs are given no other.
    outputs
        Where commands are given, so where jobs write.
    """

    def __init__(self, environment: Mapping[str, str], outputs: Path) -> None:
        self.environment = dict(environment)
        self.outputs = outputs

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Give a command that may fail."""
        return subprocess.run(
            arguments,
            cwd=self.outputs,
            env=self.environment | {"LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def answer(self, *arguments: str) -> str:
        """Return what a command prints."""
        finished = self.command(*arguments)
        if finished.returncode:
            raise RuntimeError(f"{' '.join(arguments)}: {finished.stderr.strip()}")
        return finished.stdout

    def submit(self, script: str, *options: str) -> str:
        """Submit lines of shell with options of sbatch; return the job."""
        return self.answer("sbatch", "--parsable", *options, "--wrap", script).strip()

    def output(self, job: str) -> str:
        """Return what a submitted job has written so far, standard error included."""
        path = self.outputs / f"slurm-{job}.out"
        return path.read_text() if path.exists() else ""

    def jobs(self, *options: str) -> list[QueuedJob]:
        """Return the jobs that wait, run or complete; options of squeue choose others."""
        columns = ("-o", "%i|%T|%P|%N|%r|%j")
        lines = self.answer("squeue", "--noheader", "--array", *options, *columns).splitlines()
        return [QueuedJob(*line.split("|", 5)) for line in lines]

    def accounted(self, *options: str) -> list[AccountedJob]:
        """Return the jobs of the last week that accounting knows of; options of sacct choose among them."""
        columns = "--format=JobID,State,ExitCode,Partition,NodeList,JobName"
        which = ("--allocations", "--allusers", "--starttime=now-7days", *options)
        found = []
        for line in self.answer("sacct", "--noheader", "--parsable2", columns, *which).splitlines():
            job, state, *others = line.split("|", 5)
            found.append(AccountedJob(job, state.split()[0], *others))
        return found

    def state(self, job: str) -> str:
        """Return a job's state, or an empty text for one that the controller has forgotten."""
        return self.command("squeue", "--noheader", "--states=all", "-j", job, "-o", "%T").stdout.strip()

    def wait_for(self, job: str, *states: str, timeout_s: float = 60) -> None:
        """Wait until a job is in one of some states; TimeoutError says which it is in instead."""
        wait(lambda: self.state(job) in states, lambda: f"job {job} is {self.state(job)}", timeout_s)

    def requeue(self, job: str) -> None:
        """Have a running job killed and queued again."""
        self.answer("scontrol", "requeue", job)

    def node_state(self, node: str) -> str:
        """Return a node's state as sinfo writes it: with * where it doesn't answer."""
        return self.answer("sinfo", "--noheader", "--partition=main", f"--nodes={node}", "-o", "%T").strip()


def wait(condition: Callable[[], bool], instead: Callable[[], str], timeout_s: float = 60) -> None:
    """Wait until a condition holds; TimeoutError says what does instead."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:g} s in vain: {instead()}")
        time.sleep(0.05)
