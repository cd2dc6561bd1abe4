"""A person at a machine of the private cluster; what their commands say to Slurm is written down."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sgdlab.config.execution import SlurmLauncher
from sgdlab.launch.slurm.submission import Intent, Submission, submissions
from sgdlab.sweeps.plan import FrozenPlan
from slurm_cluster import Cluster, QueuedJob

ON_SLURM = ("tracker=none", "launcher=slurm", "launcher.gpus_per_job=0")
HOLD = "launcher.sbatch.hold=true"
SLURMS_OWN = ("sbatch", "squeue", "scancel", "srun")
LOG = """#!/bin/sh
date +%s.%N >> {log}
exec {real} "$@"
"""


@dataclass
class Desk:
    """A terminal whose `launcher=slurm` means the private cluster; its own programs come first."""

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


@dataclass
class Programs:
    """A folder of programs that play Slurm's, with a log of their calls; no others are found."""

    folder: Path

    def write(self, name: str, script: str) -> None:
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho {name} "$@" >> {self.folder}/calls\n{script}\n')
        path.chmod(0o755)

    def calls(self) -> list[str]:
        log = self.folder / "calls"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def programs(tmp_path, monkeypatch) -> Programs:
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    for name in SLURMS_OWN:
        if shutil.which(name):  # this machine's own Slurm
            (folder / name).write_text("#!/bin/sh\necho unexpected >&2; exit 99\n")
            (folder / name).chmod(0o755)
    return Programs(folder)


@pytest.fixture
def plan(make_plan) -> FrozenPlan:
    """Four runs in two packs, for two jobs of one worker."""
    plan = make_plan(num_runs=4, pack_size=2)
    launcher = SlurmLauncher(gpus_per_job=0, num_workers=2)
    return replace(plan, execution=plan.execution.model_copy(update={"launcher": launcher}))


@pytest.fixture
def make_submission(store, plan) -> Callable[..., Submission]:
    """Write an intent down, for so many jobs; with a number of Slurm's if one is given."""

    def make(num_jobs: int = 2, job_id: str | None = None) -> Submission:
        intent = Intent(plan.id, plan.sweeps, num_jobs, len(plan.runs), "code", "2026-01-01T00:00:00+00:00")
        submission = Submission.create(store, plan, intent)
        if job_id is not None:
            submission.record_job(job_id)
        return submission

    return make


@pytest.fixture
def desk(terminal, cluster) -> Desk:
    return Desk(terminal, cluster)


@pytest.fixture
def wait_for_jobs(wait_until) -> Callable[[Desk], None]:
    """Wait until the cluster has no job left."""
    return lambda desk: wait_until(lambda: not desk.queued())


@pytest.fixture
def asking_is_rare() -> Callable[[Desk], None]:
    """Slurm was asked at most once in ten seconds; what it takes a program to start may shorten the time."""

    def check(desk: Desk) -> None:
        times = desk.asked_at()
        assert all(later - earlier > 9.5 for earlier, later in pairwise(times)), times

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
