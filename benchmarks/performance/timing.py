"""How things are timed: one core, one thread, variants taking turns, CPU time."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

THREADS = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
"""What must be in the environment before torch, numpy and JAX are imported."""


def own_cache(folder: Path) -> dict[str, str]:
    """Return the environment of somebody whose cache is empty: no kernel compiled, no speed measured yet.

    Matplotlib's list of fonts, half a minute's work once a machine, is not what is timed, and stays.
    """
    usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    fonts = os.environ.get("MPLCONFIGDIR", str(usual / "matplotlib"))
    return {"XDG_CACHE_HOME": str(folder), "MPLCONFIGDIR": fonts}


def cpu_s() -> float:
    """Return the CPU seconds of this process and of the children that it has waited for (a compiler)."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


@contextmanager
def one_core() -> Iterator[None]:
    """Pin this thread, and threads that it starts meanwhile, to the last of the cores it may use."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def take_turns(variants: Mapping[str, Callable[[], float]], num_rounds: int) -> dict[str, list[float]]:
    """Call every variant once a round, in reversed order every other round; return what each returned."""
    results: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(num_rounds):
        for name in variants if number % 2 == 0 else reversed(variants):
            results[name].append(variants[name]())
    return results
