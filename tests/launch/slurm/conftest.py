"""A person at a machine of the private cluster; what their commands say to Slurm is written down."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sgdlab.launch.slurm.submission import Submission, submissions
from slurm_cluster import Cluster, QueuedJob

ON_SLURM = ("tracker=none", "launcher=slurm", "launcher.gpus_per_job=0")
HOLD = "launcher.sbatch.hold=true"
LOG = """#!/bin/sh
date +%s.%N >> {log}
exec {real} "$@"
"""


@dataclass
class Desk:
    """A terminal whose `launcher=slurm` means the private cluster; its own programs come first on the PATH."""

    terminal: Any
    cluster: Cluster

    def __post_init__(self) -> None:
        self.programs = self.terminal.folder / "programs"
        self.programs.mkdir()
        path = f"{self.programs}{os.pathsep}{self.cluster.environment['PATH']}"
        self.terminal.environment = {**self.cluster.environment, "PATH": path}
        self.write_program("squeue", LOG.format(log=self.programs / "asked", real="{real}"))

    def write_program(self, name: str, script: str) -> None:
        """Put a program before Slurm's own, which it knows as ``{real}``."""
        real = shutil.which(name, path=self.cluster.environment["PATH"])
        path = self.programs / name
        path.write_text(script.replace("{real}", str(real)))
        path.chmod(0o755)

    def arguments(self, sweep: str, num_workers: int = 1, *more: str) -> list[str]:
        return ["run", sweep, *ON_SLURM, f"launcher.num_workers={num_workers}", *more]

    def run(self, sweep: str, num_workers: int = 1, *more: str) -> subprocess.CompletedProcess[str]:
        return self.terminal.sgdlab(*self.arguments(sweep, num_workers, *more))

    def start(self, sweep: str, num_workers: int = 1, *more: str) -> subprocess.Popen[str]:
        return self.terminal.start(*self.arguments(sweep, num_workers, *more))

    def submissions(self) -> list[Submission]:
        return submissions(self.terminal.store)

    def queued(self) -> list[QueuedJob]:
        return self.cluster.jobs()

    def num_jobs_that_worked(self) -> int:
        return sum(len(list(submission.jobs())) for submission in self.submissions())

    def asked_at(self) -> list[float]:
        """When commands have called squeue, in seconds."""
        log = self.programs / "asked"
        return [float(line) for line in log.read_text().split()] if log.exists() else []

    def release(self) -> None:
        """Let the jobs go that were submitted with `HOLD`."""
        for job in self.queued():
            self.cluster.answer("scontrol", "release", job.job)

    def each_run_was_trained_once(self, num_runs: int) -> bool:
        for kind in ("claimed", "published"):
            times = Counter(self.terminal.events(kind))
            assert len(times) == num_runs
            assert set(times.values()) == {1}
        assert len(self.terminal.results()) == num_runs
        return True


@pytest.fixture
def desk(terminal, cluster) -> Desk:
    return Desk(terminal, cluster)


@pytest.fixture
def wait_for_jobs(wait_until) -> Callable[[Desk], None]:
    """Wait until the cluster has no job left."""
    return lambda desk: wait_until(lambda: not desk.queued(), timeout_s=120)


@pytest.fixture
def asking_is_rare() -> Callable[[Desk], None]:
    """Slurm was asked at most once in ten seconds; what it takes a program to start may shorten the time."""

    def check(desk: Desk) -> None:
        times = desk.asked_at()
        assert all(later - earlier > 9.5 for earlier, later in zip(times, times[1:], strict=False)), times

    return check


@pytest.fixture
def package_copy(terminal) -> Path:
    """A copy of the package in the terminal's own folder, where Python finds it before any other."""
    import sgdlab

    source = Path(sgdlab.__file__).parent
    copy = terminal.folder / "sgdlab"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(source.parents[1] / "conf", copy / "shipped" / "conf")
    return copy
