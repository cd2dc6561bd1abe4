"""Which devices the workers of this machine get. Asking for GPUs here must not import torch."""

from __future__ import annotations

import os

from sgdlab.config.execution import Launcher, LocalLauncher, SlurmLauncher
from sgdlab.errors import UsageError
from sgdlab.machine.devices import Device, this_processor, visible_gpus


def num_workers(launcher: Launcher) -> int:
    """Return how many workers there are at most: by default one for each GPU here, or core, or group of them.

    Raises
    ------
    UsageError
        If a run is to have more GPUs than there are, or if GPUs are asked for and there is none.
    """
    if isinstance(launcher, SlurmLauncher):
        return launcher.num_workers
    num_devices = len(_gpus(launcher)) or _num_cores()
    return launcher.num_workers or max(1, num_devices // launcher.devices_per_run)


def worker_devices(launcher: LocalLauncher, num_packs: int) -> list[str]:
    """Return the device of each worker, in turn over the GPUs; no more workers than packs.

    Of several devices for a run it is the first; the others are the next ones.

    Raises
    ------
    UsageError
        As `num_workers`.
    """
    count = max(1, min(num_workers(launcher), num_packs))
    groups = _num_groups(launcher)
    firsts = [index % groups * launcher.devices_per_run for index in range(count)] if groups else []
    return [f"cuda:{first}" for first in firsts] or ["cpu"] * count


def training_device(launcher: Launcher) -> Device:
    """Return what the workers train on; of several GPUs the first, which the others are taken to be like.

    Which GPU a Slurm job will get nobody knows before, unless the launcher says so.

    Raises
    ------
    UsageError
        If GPUs are asked for and there is none.
    """
    if isinstance(launcher, SlurmLauncher):
        gpu = Device("cuda", launcher.gpu_name or "GPU of a job", None)
        device = gpu if launcher.trains_on_gpus else this_processor()
    else:
        device = next(iter(_gpus(launcher)), None) or this_processor()
    return device.times(launcher.devices_per_run)


def bytes_per_worker(launcher: Launcher) -> int | None:
    """Return the share of its device's memory that a pack may take; None where that memory isn't known."""
    if isinstance(launcher, SlurmLauncher):
        known = launcher.memory_gb is not None and not launcher.trains_on_gpus
        available = int(1e9 * (launcher.memory_gb or 0)) if known else None
        sharing = launcher.workers_per_job * launcher.devices_per_run
    else:
        workers, groups = num_workers(launcher), _num_groups(launcher)
        sharing = -(-workers // groups) if groups else workers * launcher.devices_per_run
        available = training_device(launcher).num_bytes
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
    if 0 < len(gpus) < launcher.devices_per_run:
        raise UsageError(
            f"launcher.devices_per_run={launcher.devices_per_run}, and this machine shows {len(gpus)} "
            f"GPU{'s' if len(gpus) > 1 else ''}; use at most that many, or launcher.device=cpu"
        )
    return gpus


def _num_groups(launcher: LocalLauncher) -> int:
    """Return how many runs can have GPUs of their own; 0 where the processor trains."""
    return len(_gpus(launcher)) // launcher.devices_per_run


def _num_cores() -> int:
    return len(os.sched_getaffinity(0))
