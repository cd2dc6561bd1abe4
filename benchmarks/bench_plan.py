"""How long `sgdlab plan` takes for a hundred thousand grid points, and how much memory.

The sweep file is made here: learning rates × strengths of the penalty, one seed, so that every run is a grid
point of its own and none is cheaper than another. The store is empty.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

_SGDLAB = Path(sys.executable).with_name("sgdlab")
_NUM_STRENGTHS = 100


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=100_000, help="a multiple of 100 (default: 100,000)")
    points = parser.parse_args().points
    with tempfile.TemporaryDirectory(prefix="plan-") as name:
        sweep = Path(name) / "many.yaml"
        sweep.write_text(yaml.safe_dump(sweep_of(points)), encoding="utf-8")
        command = [
            *(str(_SGDLAB), "plan", str(sweep), "--scale", "bench", "--json"),
            f"folders.store={name}/store",
        ]
        environment = {**os.environ, "XDG_CACHE_HOME": name}  # an index of its own, thrown away
        start = time.perf_counter()
        planned = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
        wall_s = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s, peak_mb = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    if json.loads(planned.stdout)["num_to_train"] != points:
        raise SystemExit(f"the plan isn't of {points} runs: {planned.stdout}")
    print(f"sgdlab plan, {points:,} grid points: {wall_s:.1f} s, {cpu_s:.1f} s CPU, peak {peak_mb:.0f} MB")


def sweep_of(num_points: int) -> dict[str, object]:
    """Return a sweep file's content with so many grid points."""
    num_rates = num_points // _NUM_STRENGTHS
    return {
        "paper": "none",
        "figure": "many",
        "title": "Many grid points",
        "base": {"data": "mnist1d", "model": "mlp", "regularizer": "gradient_norm"},
        "protocol": {"num_seeds": 1, "keep": 1},
        "grids": {
            "many": {
                "label": "learning rate and strength",
                "axes": {
                    "optimizer.lr": [2.0 ** (-12 + 10 * i / num_rates) for i in range(num_rates)],
                    "regularizer.strength": [2.0 ** (-12 + i / 10) for i in range(_NUM_STRENGTHS)],
                },
            }
        },
        "drawing": {
            "x": "optimizer.lr",
            "x_label": "ε",
            "y_label": "test accuracy",
            "curves": [{"grid": "many", "metric": "test_accuracy.best"}],
        },
        "scales": {"bench": {}},
    }


if __name__ == "__main__":
    main()
