"""Which devices the workers of this machine get. Asking for GPUs here must not import torch."""

from __future__ import annotations

import os
import subprocess

from sgdlab.config.execution import LocalLauncher
from sgdlab.errors import UsageError


def num_workers(launcher: LocalLauncher) -> int:
    """Return how many workers a pool starts at most: one for each GPU, or for each core."""
    return launcher.num_workers or (_num_gpus() if _wants_gpus(launcher) else _num_cores())


def worker_devices(launcher: LocalLauncher, num_packs: int) -> list[str]:
    """Return the device of each worker, in turn over the GPUs; no more workers than packs.

    Raises
    ------
    UsageError
        If GPUs are asked for and there is none.
    """
    count = max(1, min(num_workers(launcher), num_packs))
    if not _wants_gpus(launcher):
        return ["cpu"] * count
    return [f"cuda:{index % _num_gpus()}" for index in range(count)]


def _wants_gpus(launcher: LocalLauncher) -> bool:
    if launcher.device == "cuda" and _num_gpus() == 0:
        raise UsageError(
            "launcher.device=cuda, and this machine shows no GPU; use launcher.device=auto or cpu"
        )
    return launcher.device == "cuda" or (launcher.device == "auto" and _num_gpus() > 0)


def _num_cores() -> int:
    return len(os.sched_getaffinity(0))


def _num_gpus() -> int:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([device for device in visible.split(",") if device.strip() not in ("", "-1")])
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return 0
    return sum(line.startswith("GPU ") for line in listing.stdout.splitlines())
