"""Top eigenvalue, trace and interaction of the Hessian: sgdlab beside PyHessian, and curvlinops with SciPy.

    python benchmarks/bench_curvature.py [mlp cnn wrn] [--device cuda]

Each variant runs in a process of its own, one after the other, on one core; times are CPU seconds (on a
GPU, seconds until it is idle), and only ratios mean something. *Equal accuracy* of an eigenvalue: every
variant goes on until its residual is at most a thousandth of the eigenvalue. Of a trace: the standard error
that sgdlab reaches in a few passes is the target. Estimators whose error falls as one over
the root of the work are scaled to it by their measured error; the others (Hutch++, XTrace) are run with
more and more products until they are there, and are told as not there after the last. Peak memory is what
the process grew by at most, over what it held before.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from performance.timing import THREADS

_RESULT = Path(__file__).parent / "results" / "curvature"
_TOLERANCE = 1e-3
_PASSES = {"mlp": 2, "cnn": 2, "wrn": 4}  # of sgdlab's trace
_PROBES = {"mlp": 40, "cnn": 20, "wrn": 24}
_PRODUCTS = {"mlp": (12, 24, 48, 96), "cnn": (12, 24, 48), "wrn": (12,)}
_EIGENVALUE = (
    "ours.eigenvalue",
    "ours.eigenvalue_with_kept_graphs",
    "peers.pyhessian_eigenvalue",
    "peers.scipy_eigenvalue",
    "peers.scipy_short_eigenvalue",
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("problems", nargs="*", default=["mlp", "cnn", "wrn"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--variant", nargs=4, help="run one variant here: PROBLEM VARIANT NUMBER WEIGHTS")
    given = parser.parse_args()
    if given.variant:
        name, variant, number, weights = given.variant
        print(json.dumps(_run_here(name, variant, float(number), given.device, Path(weights))))
        return
    _RESULT.mkdir(parents=True, exist_ok=True)
    for name in given.problems:
        with TemporaryDirectory() as folder:
            rows = list(_rows(name, given.device, Path(folder) / "weights.pt"))
        found = {"device": given.device, "rows": rows}
        path = _RESULT / f"{name}-{given.device}.json"
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(table(name, found["rows"]))


def _rows(name: str, device: str, weights: Path) -> Iterator[dict[str, Any]]:
    for variant in _EIGENVALUE:
        yield _run(name, variant, _TOLERANCE, device, weights)
    ours = _run(name, "ours.trace_estimate", _PASSES[name], device, weights)
    yield ours
    for variant in ("peers.pyhessian_trace", "peers.curvlinops_hutchinson"):
        yield _run(name, variant, _PROBES[name], device, weights)
    for variant in ("peers.curvlinops_hutchpp", "peers.curvlinops_xtrace"):
        for num_products in _PRODUCTS[name]:
            row = _run(name, variant, num_products, device, weights)
            yield row
            if row["standard_error"] <= ours["standard_error"]:
                break
    for variant in ("ours.one_batch_size", "ours.all_batch_sizes"):
        yield _run(name, variant, 0, device, weights)


def _run(name: str, variant: str, number: float, device: str, weights: Path) -> dict[str, Any]:
    """Run a variant in a process of its own."""
    command = [sys.executable, __file__, "--device", device, "--variant", name, variant, str(number)]
    command.append(str(weights))
    done = subprocess.run(command, env=os.environ | THREADS, check=True, stdout=subprocess.PIPE, text=True)
    row: dict[str, Any] = {"variant": variant, "number": number, **json.loads(done.stdout.splitlines()[-1])}
    print(f"{name}: {row}", file=sys.stderr, flush=True)
    return row


def _run_here(name: str, variant: str, number: float, device_name: str, weights: Path) -> dict[str, Any]:
    import torch

    from curvature import ours, peers
    from curvature.problem import make_problem

    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    device = torch.device(device_name)
    problem = make_problem(name, device, weights)
    module, _, function = variant.partition(".")
    measure = getattr({"ours": ours, "peers": peers}[module], function)
    is_cuda = device.type == "cuda"
    if is_cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        memory = torch.cuda.memory_allocated()
    else:
        Path("/proc/self/clear_refs").write_text("5")  # forgets the highest memory so far
        memory = _memory("VmRSS")
    clock = time.perf_counter if is_cuda else time.process_time
    started = clock()
    found = measure(problem, number)
    if is_cuda:
        torch.cuda.synchronize()
    seconds = (clock() - started) / found.pop("repeats", 1)
    peak = torch.cuda.max_memory_allocated() if is_cuda else _memory("VmHWM")
    return {**found, "seconds": seconds, "peak_mb": (peak - memory) / 1e6}


def _memory(field: str) -> int:
    """Return what Linux counts of this process, in bytes."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(rf"{field}:\s+(\d+)", status)[1])


def table(name: str, rows: list[dict[str, Any]]) -> str:
    """Write one problem's rows as a Markdown table; ratios are against sgdlab's plain way."""
    by_variant = {row["variant"]: row for row in rows}
    eigen, trace = by_variant["ours.eigenvalue"], by_variant["ours.trace_estimate"]
    lines = ["", f"**{name}**", "", "| variant | value | error | work | seconds, of sgdlab's | peak MB |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        error = row.get("residual", row.get("standard_error", 0.0))
        work = row.get("num_products") or row.get("num_probes") or row["number"]
        if row["variant"] in _EIGENVALUE:
            ratio = row["seconds"] / eigen["seconds"]
        elif "standard_error" in row:
            ratio = row["seconds"] / trace["seconds"]
            if "num_probes" in row:  # its error falls as one over the root of its work
                ratio *= (row["standard_error"] / trace["standard_error"]) ** 2
        else:
            ratio = row["seconds"] / by_variant["ours.one_batch_size"]["seconds"]
        lines.append(
            f"| {row['variant']} | {row['value']:.5g} | {error:.2g} | {work:g} "
            f"| {ratio:.2f} | {row['peak_mb']:.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
