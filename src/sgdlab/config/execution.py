"""How a run is carried out and watched: nothing here changes its result, so nothing enters its identity."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from sgdlab.config.fields import Component, NonNegativeInt, PositiveFloat, PositiveInt


class Diagnostics(Component):
    """When C_reg and ‖∇C‖² are measured over the whole training set: never, at the end, or at evaluations."""

    gradient_statistics: Literal["none", "end", "evaluations"] = "end"


class NoTracker(Component):
    """Results stay in the store."""

    kind: Literal["none"] = "none"


class WandbTracker(Component):
    """Each published run is written once as a Weights & Biases run."""

    kind: Literal["wandb"] = "wandb"
    mode: Literal["offline", "online"] = "offline"
    project: str = "sgdlab"
    entity: str | None = None
    folder: Path = Path("outputs")  # W&B makes its own `wandb` folder in it


Tracker = Annotated[NoTracker | WandbTracker, Field(discriminator="kind")]


Backend = Literal[
    "auto",
    "native-256",
    "native-512",
    "written-out",
    "batched",
    "batched-grouped",
    "batched-unfolded",
    "per-run",
    "vmapped",
    "compiled",
    "graph-written-out",
    "graph-batched",
    "graph-batched-grouped",
    "graph-batched-unfolded",
]
"""How updates are computed: see training.backends; `auto` takes what is fastest here."""


PackSize = Annotated[
    Annotated[PositiveInt, Tag("number")] | Annotated[Literal["auto"], Tag("auto")],
    Discriminator(lambda value: "auto" if value == "auto" else "number"),
]


class Workers(Component):
    """What workers do, wherever they are started."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    devices_per_run: PositiveInt = 1  # that share each minibatch; on a CPU, processes
    examples_per_pass: PositiveInt | None = None  # of a minibatch, at a time; null: all that memory allows
    backend: Backend = "auto"
    pack_size: PackSize = "auto"  # runs trained together, at most; auto: as measured speed asks for
    checkpoint_every_s: PositiveFloat = 60.0
    heartbeat_every_s: PositiveFloat = 2.0
    lease_timeout_s: PositiveFloat = 30.0
    keep: Literal["none", "final"] = "none"  # weights kept with a finished run


class LocalLauncher(Workers):
    """A pool of worker processes on this machine, one torch thread each."""

    kind: Literal["local"] = "local"
    num_workers: PositiveInt | None = None  # default: one for each core, or for each GPU where there are any


class SlurmLauncher(Workers):
    """An array of Slurm jobs, each of them a pool of worker processes on one node."""

    kind: Literal["slurm"] = "slurm"
    num_workers: PositiveInt = 8  # processes at once, over all jobs
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    gpus_per_job: NonNegativeInt = 1
    gpu_name: str | None = None  # as torch names it: what a plan's time is estimated for
    workers_per_gpu: PositiveInt = 1
    cpus_per_job: PositiveInt | None = None  # default: one for each worker; without GPUs a worker for each
    memory_gb: PositiveFloat | None = None  # of a job; default: the cluster's
    wall_time_min: PositiveInt = 240
    stop_before_end_s: PositiveFloat = 120.0  # for workers to leave checkpoints, before Slurm kills them
    idle_timeout_s: PositiveFloat = 300.0  # a job whose workers only wait for others ends after that
    setup: tuple[str, ...] = ()  # shell lines that a job begins with: modules, environments
    sbatch: dict[str, str | int | bool] = Field(default_factory=dict)  # further options, as sbatch names them
    python: str | None = None  # on the nodes; default: the interpreter of the command
    # a network file system may show a heartbeat late: a lease is longer than its cache
    heartbeat_every_s: PositiveFloat = 10.0
    lease_timeout_s: PositiveFloat = 180.0

    @property
    def workers_per_job(self) -> int:
        """Worker processes of one job."""
        if self.gpus_per_job:
            return self.gpus_per_job // self.devices_per_run * self.workers_per_gpu
        return max(1, (self.cpus_per_job or 1) // self.devices_per_run)

    @property
    def trains_on_gpus(self) -> bool:
        """Whether workers get GPUs."""
        return self.gpus_per_job > 0 and self.device != "cpu"

    @property
    def num_jobs(self) -> int:
        """Jobs at once."""
        return math.ceil(self.num_workers / self.workers_per_job)

    def on_node(self) -> LocalLauncher:
        """Return what a job starts on its node: a pool."""
        shared = {name: getattr(self, name) for name in Workers.model_fields}
        device = "cuda" if self.trains_on_gpus else "cpu"
        return LocalLauncher(**{**shared, "device": device, "num_workers": self.workers_per_job})

    @model_validator(mode="after")
    def _is_consistent(self) -> SlurmLauncher:
        if self.gpus_per_job % self.devices_per_run:
            raise ValueError(
                f"launcher.gpus_per_job={self.gpus_per_job} must be a multiple of "
                f"launcher.devices_per_run={self.devices_per_run}"
            )
        if self.num_jobs > MAX_JOBS:
            raise ValueError(
                f"launcher.num_workers={self.num_workers} makes {self.num_jobs} jobs of "
                f"{self.workers_per_job}; an array has {MAX_JOBS} at most"
            )
        if self.stop_before_end_s >= 60 * self.wall_time_min:
            raise ValueError(
                f"launcher.stop_before_end_s={self.stop_before_end_s:g} leaves nothing of "
                f"launcher.wall_time_min={self.wall_time_min}"
            )
        if self.device == "cuda" and not self.gpus_per_job:
            raise ValueError("launcher.device=cuda needs launcher.gpus_per_job=1 or more")
        for option in self.sbatch:
            plain = option.lstrip("-").replace("-", "_")
            if plain in _OWN_KEYS:
                raise ValueError(f"launcher.sbatch.{option}: that is launcher.{_OWN_KEYS[plain]}")
            if plain in _NOT_FREE:
                raise ValueError(f"launcher.sbatch.{option} can't be chosen: sgdlab depends on it")
        return self


MAX_JOBS = 1000  # in one array: Slurm's own default limit
_OWN_KEYS = {  # sbatch's options → the launcher's keys
    "partition": "partition",
    "account": "account",
    "qos": "qos",
    "constraint": "constraint",
    "gpus_per_node": "gpus_per_job",
    "cpus_per_task": "cpus_per_job",
    "mem": "memory_gb",
    "time": "wall_time_min",
}
_NOT_FREE = {"array", "chdir", "job_name", "nodes", "ntasks", "ntasks_per_node", "signal", "wait"}
_NOT_FREE |= {"error", "output", "open_mode"}  # where the logs are

Launcher = LocalLauncher | SlurmLauncher


class Folders(Component):
    """Where runs are stored, and where data files lie; relative to the working folder."""

    store: Path = Path("outputs/store")
    data: Path = Path("data")


class Execution(Component):
    """Everything about a run that is not its identity."""

    diagnostics: Diagnostics = Diagnostics()
    tracker: Tracker = NoTracker()
    launcher: Annotated[Launcher, Field(discriminator="kind")] = LocalLauncher()
    folders: Folders = Folders()
