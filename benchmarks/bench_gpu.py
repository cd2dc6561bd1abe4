"""One GPU, many runs: packed in one process, against one process a run, and against processes that share it.

    python benchmarks/bench_gpu.py                       both workloads on the first GPU
    python benchmarks/bench_gpu.py --device cpu --quick  does it run? No figure means anything

Everything is in updates a second over all runs. Packs are doubled until they gain less than 5 % or memory is
full; processes likewise. The share of the GPU's peak is the arithmetic of a step, as torch counts it for a
bare loop, times the updates a second, over the rate of one big product in the same precision.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from performance import machine
from performance.work import Work
from sharing.arithmetic import peak_flop_s, step_flop
from sharing.rates import packed_rate, shared_rate

_RESULT = Path(__file__).parent / "results" / "gpu.json"
_WORTH_DOUBLING = 1.05
WRN_MODEL = {"kind": "wide_resnet", "depth": 10, "width": 1}
WRN = Work("WRN-10-1 SkipInit, B=32", "cifar10", WRN_MODEL, 32, num_runs=1, num_test=32)
MLP_MODEL = {"kind": "mlp", "hidden_widths": [4096] * 3}
MLP = Work("MLP 784-4096³-10, B=16", "mnist", MLP_MODEL, 16, num_runs=1, num_test=16)
NARROW = Work("MLP 784-64-10, B=16", "mnist", {"kind": "mlp", "hidden_widths": [64]}, 16, 1, num_test=16)
TARGETS = {WRN.title: 10.0, MLP.title: 3.0}  # packed, at least so many times as fast as the best other way


@dataclass(frozen=True)
class Rates:
    """One workload on one GPU."""

    work: str
    packed: dict[int, float]  # runs in the pack → updates a second
    processes: dict[int, float]  # bare loops side by side → updates a second
    share_of_peak: float  # of the fastest pack

    @property
    def ratio(self) -> float:
        """The fastest pack over one process a run."""
        return max(self.packed.values()) / self.processes[1]

    @property
    def sharing_ratio(self) -> float:
        """The fastest pack over the fastest number of processes."""
        return max(self.packed.values()) / max(self.processes.values())


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--quick", action="store_true", help="a narrow network for a moment; writes nothing")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("this machine shows no GPU; --device cpu --quick only tries the benchmark out", file=sys.stderr)
        return 2
    works = (NARROW,) if arguments.quick else (WRN, MLP)
    measured = [measure(work, device, arguments.quick) for work in works]
    show(measured, Console())
    if not arguments.quick:
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
        content = {
            "device": name,
            "machine": machine.describe(),
            "workloads": [asdict(rates) for rates in measured],
        }
        _RESULT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0


def measure(work: Work, device: torch.device, is_quick: bool) -> Rates:
    """Measure one workload."""
    seconds = 0.2 if is_quick else 10.0
    most = 2 if is_quick else 1024
    packed = doubled(lambda count: packed_rate(work, count, device, seconds), most)
    processes = doubled(lambda count: shared_rate(work, count, device, seconds), min(most, 16))
    peak = peak_flop_s(device, 256 if is_quick else 8192)
    return Rates(work.title, packed, processes, max(packed.values()) * step_flop(work) / peak)


def doubled(rate: Callable[[int], float], most: int) -> dict[int, float]:
    """Measure 1, 2, 4, … until doubling gains too little, memory is full, or `most` is reached."""
    rates: dict[int, float] = {}
    count = 1
    while count <= most:
        try:
            rates[count] = rate(count)
        except (torch.OutOfMemoryError, MemoryError):
            if not rates:
                raise
            break
        if count > 1 and rates[count] < _WORTH_DOUBLING * rates[count // 2]:
            break
        count *= 2
    return rates


def show(measured: list[Rates], console: Console) -> None:
    """Print a table a workload."""
    for rates in measured:
        table = Table("runs at once", "packed, updates/s", "processes, updates/s", title=rates.work)
        for count in sorted({*rates.packed, *rates.processes}):
            columns = (rates.packed.get(count), rates.processes.get(count))
            table.add_row(str(count), *("" if rate is None else f"{rate:,.0f}" for rate in columns))
        console.print(table)
        console.print(
            f"packed over one process a run {rates.ratio:.1f}, over several {rates.sharing_ratio:.1f}"
        )
        if rates.work in TARGETS:
            target = TARGETS[rates.work]
            verdict = "reached" if min(rates.ratio, rates.sharing_ratio) >= target else "not reached"
            console.print(f"target {target:.0f}: {verdict}")
        console.print(f"share of the device's peak: {rates.share_of_peak:.0%}")


if __name__ == "__main__":
    raise SystemExit(main())
