"""What trains on this machine: its processor and its GPUs, found without importing torch."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import psutil

from sgdlab.machine.processor import processor

_MEMORY_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
_QUERY = ("nvidia-smi", "--query-gpu=uuid,memory.total,name", "--format=csv,noheader,nounits")


@dataclass(frozen=True)
class Device:
    """A processor, or a GPU."""

    kind: Literal["cpu", "cuda"]
    name: str  # devices of one name are equally fast; a GPU's is the one that torch gives it
    num_bytes: int | None  # of memory; None where it isn't known
    num_devices: int = 1  # of this kind that share each minibatch

    @property
    def recorded_name(self) -> str:
        """What results say they were trained on."""
        return together("cpu", self.num_devices) if self.kind == "cpu" else self.name

    def times(self, num_devices: int) -> Device:
        """Return so many of these, as what trains one run: it has another name, and other speeds."""
        return replace(self, name=together(self.name, num_devices), num_devices=num_devices)


def together(name: str, num_devices: int) -> str:
    """Name several devices that share each minibatch."""
    return name if num_devices == 1 else f"{num_devices} × {name}"


def this_processor() -> Device:
    """Return the processor, with the memory that this process may use."""
    limits = [_read_limit(path) for path in _MEMORY_LIMITS]
    return Device("cpu", processor(), min([psutil.virtual_memory().total, *filter(None, limits)]))


def visible_gpus() -> list[Device]:
    """Return the GPUs that CUDA shows to this process, in its order."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return list(_installed_gpus().values())
    names = [name for part in visible.split(",") if (name := part.strip()) not in ("", "-1")]
    installed = _installed_gpus() if names else {}
    return [_find(name, installed) for name in names]


def gpu_behind(device: str) -> str | None:
    """Return what this machine calls the GPU that this process calls "cuda:1"; None of a processor.

    A number, or a UUID or its beginning: as `CUDA_VISIBLE_DEVICES` says it.
    """
    kind, _, index = device.partition(":")
    if kind != "cuda":
        return None
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return index or "0"
    names = [part.strip() for part in visible.split(",")]
    place = int(index or 0)
    return names[place] if place < len(names) else None


def _installed_gpus() -> dict[str, Device]:
    """Ask the driver: UUID → GPU, in the order of the machine's slots."""
    try:
        listing = subprocess.run(_QUERY, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return {}
    rows = [[part.strip() for part in line.split(",", 2)] for line in listing.splitlines() if line.strip()]
    return {uuid: Device("cuda", name, _mebibytes(memory)) for uuid, memory, name in rows}


def _find(name: str, installed: dict[str, Device]) -> Device:
    """Return the GPU that `CUDA_VISIBLE_DEVICES` names, by its place or the beginning of its UUID."""
    found = [gpu for uuid, gpu in installed.items() if uuid.startswith(name)]
    if name.isdigit():
        found = list(installed.values())[int(name) : int(name) + 1]
    return found[0] if found else Device("cuda", "GPU", None)


def _mebibytes(text: str) -> int | None:
    return int(text) * 2**20 if text.isdigit() else None


def _read_limit(path: Path) -> int | None:
    """Return what a container allows; None where nothing is said."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
