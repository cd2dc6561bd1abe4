"""Which devices the workers of this machine get. Asking for GPUs here must not import torch."""

from __future__ import annotations

import os

from sgdlab.config.execution import Launcher, LocalLauncher, SlurmLauncher
from sgdlab.errors import UsageError
from sgdlab.machine.devices import Device, this_processor, visible_gpus


def num_workers(launcher: Launcher) -> int:
    """Return how many workers there are at most: by default one for each GPU here, or for each core."""
    if isinstance(launcher, SlurmLauncher):
        return launcher.num_workers
    return launcher.num_workers or len(_gpus(launcher)) or _num_cores()


def worker_devices(launcher: LocalLauncher, num_packs: int) -> list[str]:
    """Return the device of each worker, in turn over the GPUs; no more workers than packs.

    Raises
    ------
    UsageError
        If GPUs are asked for and there is none.
    """
    count = max(1, min(num_workers(launcher), num_packs))
    num_gpus = len(_gpus(launcher))
    return [f"cuda:{index % num_gpus}" if num_gpus else "cpu" for index in range(count)]


def training_device(launcher: Launcher) -> Device:
    """Return what the workers train on; of several GPUs the first, which the others are taken to be like.

    Which GPU a Slurm job will get nobody knows before: one without a name stands for it.

    Raises
    ------
    UsageError
        If GPUs are asked for and there is none.
    """
    if isinstance(launcher, SlurmLauncher):
        return Device("cuda", "GPU of a job", None) if launcher.trains_on_gpus else this_processor()
    return next(iter(_gpus(launcher)), None) or this_processor()


def bytes_per_worker(launcher: Launcher) -> int | None:
    """Return the share of its device's memory that a pack may take; None where that memory isn't known."""
    if isinstance(launcher, SlurmLauncher):
        known = launcher.memory_gb is not None and not launcher.trains_on_gpus
        available = int(1e9 * (launcher.memory_gb or 0)) if known else None
        sharing = launcher.workers_per_job
    else:
        available = training_device(launcher).num_bytes
        sharing = -(-num_workers(launcher) // max(1, len(_gpus(launcher))))
    return None if available is None else int(_SHARE_OF_MEMORY * available / sharing)


_SHARE_OF_MEMORY = 0.6  # the rest is for the data set, libraries, and what else the machine does


def _gpus(launcher: LocalLauncher) -> list[Device]:
    """Return the GPUs that are to be used: none where the processor trains."""
    if launcher.device == "cpu":
        return []
    gpus = visible_gpus()
    if launcher.device == "cuda" and not gpus:
        raise UsageError(
            "launcher.device=cuda, and this machine shows no GPU; use launcher.device=auto or cpu"
        )
    return gpus


def _num_cores() -> int:
    return len(os.sched_getaffinity(0))
