"""Someone at a terminal of a private cluster, who submits small sweeps and watches their jobs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from sgdlab.launch.slurm.submission import Submission, submissions
from slurm_cluster import Cluster, QueuedJob

QUICK = {
    "launcher": "slurm",
    "tracker": "none",
    "launcher.num_workers": 1,
    "launcher.gpus_per_job": 0,
    "launcher.device": "cpu",
    "launcher.backend": "batched",  # with a measured choice a checkpoint may be of another
    "launcher.heartbeat_every_s": 0.5,
    "launcher.lease_timeout_s": 6,
    "launcher.checkpoint_every_s": 0.5,
    "launcher.keep": "final",
}
SEEDS = {"rate": {"label": "rate", "axes": {"optimizer.lr": ["2**-4"]}}}
LONG = {"budget__num_updates": 40_000, "evaluation__every_num_updates": 2_000}


class Desk:
    """A working folder on a cluster."""

    def __init__(self, terminal: Any, cluster: Cluster) -> None:
        self.terminal, self.cluster = terminal, cluster
        terminal.environment |= cluster.environment
        terminal.write_sweep("seeds", SEEDS)
        terminal.write_sweep("long", SEEDS, **LONG)

    def start(self, sweep: str, **settings: Any) -> Any:
        """Begin to submit; `settings` are `QUICK`'s and others, with __ for a dot."""
        changed = QUICK | {name.replace("__", "."): value for name, value in settings.items()}
        return self.terminal.start("run", sweep, *(f"{name}={value}" for name, value in changed.items()))

    def submit(
        self, sweep: str, finish: Callable[..., Any], setup: Sequence[str] = (), **settings: Any
    ) -> Submission:
        """Submit, and return the submission; `setup` are the lines that its jobs begin with."""
        done = finish(self.start(sweep, launcher__setup=list(setup), **settings))
        assert done.returncode == 0, done.stderr
        return self.submissions()[-1]

    def train_here(self, sweep: str) -> None:
        """Train without Slurm, to the same bits."""
        alike = ("tracker", "launcher.num_workers", "launcher.device", "launcher.backend", "launcher.keep")
        done = self.terminal.sgdlab("run", sweep, *(f"{name}={QUICK[name]}" for name in alike))
        assert done.returncode == 0, done.stderr

    def submissions(self) -> list[Submission]:
        return submissions(self.terminal.store)

    def jobs(self) -> list[QueuedJob]:
        """The jobs of this folder that wait or run."""
        names = {submission.job_name for submission in self.submissions()}
        return [job for job in self.cluster.jobs() if job.name in names]

    def log(self) -> str:
        """What the jobs of all submissions have printed."""
        paths = self.terminal.store.root.glob("submissions/*/submitit/*.out")
        return "\n".join(path.read_text() for path in paths)

    def num_safe_updates(self) -> int:
        """Updates in checkpoints."""
        progress = self.terminal.store.attempts.glob("*/progress.json")
        return sum(sum(json.loads(path.read_text()).values()) for path in progress)

    def exported(self) -> list[str]:
        """The keys of all W&B runs, one a run."""
        return [path.name.rpartition("-")[2] for path in self.terminal.folder.glob("outputs/wandb/*run-*")]

    def bits(self) -> dict[str, tuple[Any, ...]]:
        """Key → how the run ended, its summary, the bits of its curves and of its weights."""
        results = self.terminal.results()
        return {key: (*result, self._weights(key)) for key, result in results.items()}

    def _weights(self, key: str) -> str:
        path = self.terminal.store.weights_path(key)
        weights = torch.load(path)
        digest = hashlib.sha256()
        for name in sorted(weights):
            digest.update(name.encode() + weights[name].numpy().tobytes())
        return digest.hexdigest()


@pytest.fixture
def desk(terminal: Any, cluster: Cluster) -> Desk:
    """A folder on the shared cluster, with the sweeps tiny (12 runs), seeds and long (3 runs each)."""
    return Desk(terminal, cluster)


@pytest.fixture
def make_desk(terminal: Any, cluster: Cluster, tmp_path: Path) -> Callable[..., Desk]:
    """Make further ones, by name, on this cluster or another."""

    def make(name: str, place: Cluster = cluster) -> Desk:
        other = type(terminal)(tmp_path / name)
        other.write_sweep("tiny")
        return Desk(other, place)

    return make


@pytest.fixture(scope="session")
def _known_bits() -> dict[str, tuple[Any, ...]]:
    return {}


@pytest.fixture
def undisturbed(
    make_desk: Callable[[str], Desk], _known_bits: dict[str, tuple[Any, ...]]
) -> dict[str, tuple[Any, ...]]:
    """The bits of the long sweep, trained once without Slurm and without disturbance."""
    if not _known_bits:
        desk = make_desk("undisturbed")
        desk.train_here("long")
        _known_bits.update(desk.bits())
    return _known_bits
