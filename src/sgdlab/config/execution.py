"""How a run is carried out and watched: nothing here changes its result, so nothing enters its identity."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from sgdlab.config.fields import Component, PositiveFloat, PositiveInt


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


class LocalLauncher(Component):
    """A pool of worker processes on this machine, one torch thread each."""

    kind: Literal["local"] = "local"
    num_workers: PositiveInt | None = None  # default: one for each core, or GPU where there are any
    device: Literal["auto", "cpu", "cuda"] = "auto"
    devices_per_run: PositiveInt = 1  # that share each minibatch; on a CPU, processes
    backend: Backend = "auto"
    pack_size: PackSize = "auto"  # runs trained together, at most; auto: as measured speed asks for
    checkpoint_every_s: PositiveFloat = 60.0
    heartbeat_every_s: PositiveFloat = 2.0
    lease_timeout_s: PositiveFloat = 30.0
    keep: Literal["none", "final"] = "none"  # weights kept with a finished run


Launcher = LocalLauncher


class Folders(Component):
    """Where runs are stored, and where data files lie; relative to the working folder."""

    store: Path = Path("outputs/store")
    data: Path = Path("data")


class Execution(Component):
    """Everything about a run that is not its identity."""

    diagnostics: Diagnostics = Diagnostics()
    tracker: Tracker = NoTracker()
    launcher: Annotated[Launcher, Field()] = LocalLauncher()
    folders: Folders = Folders()
