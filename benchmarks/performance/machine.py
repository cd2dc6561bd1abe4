"""The machine and the software that a table was measured with."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from performance import floors
from performance.timing import one_core

_PACKAGES = ("sgdlab", "torch", "jax", "pytorch-lightning", "hydra-core", "numpy")


def describe() -> dict[str, str]:
    """Return what a reader wants to know of the machine, by heading."""
    with one_core():
        sgemm, copy = floors.sgemm_gflops(), floors.copy_gbytes()
    return {
        "measured": datetime.now(UTC).isoformat(timespec="minutes"),
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
        "system": platform.platform(terse=True),
        "load before": f"{os.getloadavg()[0]:.1f}",
        "big sgemm, one core": f"{sgemm:.0f} GFLOP/s",
        "memory copy, one core": f"{copy:.0f} GB/s read and written",
        "python": platform.python_version(),
        **{name: _version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    """Return its name, family, model and widest vector instructions, as Linux tells them."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = fields.get("flags", "").split()
    widest = next((name for name in ("avx512f", "avx2", "avx") if name in flags), "no AVX")
    family = f"family {fields.get('cpu family', '?')} model {fields.get('model', '?')}"
    return f"{fields.get('model name', platform.machine())} ({family}, {widest})"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
