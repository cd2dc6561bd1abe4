"""What the GPUs of this machine are doing, as `nvidia-smi` says."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

_FIELDS = "index,uuid,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw,name"
_QUERY = ("nvidia-smi", f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits")
_TIMEOUT_S = 20.0  # a driver that wakes up takes seconds


@dataclass(frozen=True)
class GpuLoad:
    """One GPU at one moment; None for what it doesn't tell."""

    index: str
    uuid: str
    name: str
    busy_percent: float | None  # of the last moments, in which anything ran on it
    used_mib: float | None
    total_mib: float | None
    temperature_c: float | None
    power_w: float | None

    def is_called(self, name: str | None) -> bool:
        """Whether a number, or a UUID or its beginning, means this one."""
        return name is not None and (
            name == self.index or (not name.isdigit() and self.uuid.startswith(name))
        )


@dataclass(frozen=True)
class GpuLoads:
    """The GPUs of this machine, or why nothing is known of them."""

    gpus: tuple[GpuLoad, ...]
    problem: str | None = None  # "no GPU: …" where there is none


def gpu_loads() -> GpuLoads:
    """Ask the driver."""
    try:
        listing = subprocess.run(
            _QUERY, capture_output=True, text=True, check=True, timeout=_TIMEOUT_S
        ).stdout
    except FileNotFoundError:
        return GpuLoads((), "no GPU: this machine has no nvidia-smi")
    except subprocess.CalledProcessError as error:
        words = f"{error.stdout}\n{error.stderr}".strip().splitlines() or [f"exit code {error.returncode}"]
        return GpuLoads((), f"nvidia-smi: {words[0]}")
    except subprocess.TimeoutExpired:
        return GpuLoads((), f"nvidia-smi gave no answer in {_TIMEOUT_S:.0f} s")
    except OSError as error:
        return GpuLoads((), f"nvidia-smi can't be started: {error}")
    rows = [[part.strip() for part in line.split(",", 7)] for line in listing.splitlines()]
    gpus = tuple(_gpu(row) for row in rows if len(row) == 8)
    return GpuLoads(gpus, None if gpus else "no GPU: nvidia-smi lists none")


def _gpu(row: list[str]) -> GpuLoad:
    index, uuid, *numbers, name = row
    return GpuLoad(index, uuid, name, *map(_number, numbers))


def _number(text: str) -> float | None:
    """Return a number; None where there is another word, such as [N/A]."""
    try:
        return float(text)
    except ValueError:
        return None
