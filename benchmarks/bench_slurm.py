"""Submitting ten thousand runs to a real Slurm, and what its jobs cost beside the training that they do.

A private Slurm is started on this machine. One command submits 10,080 tiny runs, held in the queue, and is
timed from start to end. Then a smaller sweep of runs that last, packed as usual, is submitted and trained;
its overhead is what passes from the command's start to the last result beyond the time in which the workers,
by the results' own account, were training: asking Slurm, waiting for it, starting Python and torch, claims,
idle ends. Writes benchmarks/results/slurm.md.

    python benchmarks/bench_slurm.py [--only submission|overhead] [--workers 2]

Processor time is that of the submitting command and all that it starts, Slurm's own daemons left out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from performance import machine
from sgdlab.runs.store import Store
from slurm_cluster import Cluster, ClusterOptions, why_not

RESULTS = Path(__file__).parent / "results" / "slurm.md"
SUBMISSION_TARGET_S = 20.0
OVERHEAD_TARGET = 0.10
TIMEOUT_S = 400.0
BASE = {
    "data": "digits",
    "data.num_train": 256,
    "data.num_test": 100,
    "model.hidden_widths": [16],
    "regularizer": "gradient_norm",
    "budget": "updates",
    "evaluation": "updates",
}
RATES = "pow2(-8, -3)"
MANY = {  # 6 learning rates × 8 batch sizes × 6 λ × 35 seeds
    "num_updates": 8,
    "num_seeds": 35,
    "axes": {
        "optimizer.lr": RATES,
        "optimizer.batch_size": [2, 4, 8, 12, 16, 24, 32, 64],
        "regularizer.strength": [0, "2**-8", "2**-7", "2**-6", "2**-5", "2**-4"],
    },
}
LASTING = {"num_updates": 70_000, "num_seeds": 160, "axes": {"optimizer.lr": RATES}}


@dataclass(frozen=True)
class Submission:
    """One command that submitted many runs."""

    num_runs: int
    num_jobs: int
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Overhead:
    """A sweep from its command's start to its last result."""

    num_runs: int
    num_workers: int
    median_run_s: float  # a run in its slot
    start_s: float  # until the first worker trained
    seconds: float
    training_s: float  # of all workers together

    @property
    def share(self) -> float:
        """What passed beside training, as a share of training."""
        return self.num_workers * self.seconds / self.training_s - 1


@dataclass(frozen=True)
class Bench:
    """A folder with sweep files and stores, and the Slurm that commands given in it speak to."""

    folder: Path
    cluster: Cluster

    def submit(self, name: str, *options: str) -> tuple[float, float]:
        """Give one command; return its seconds and those of its processors."""
        command = [sys.executable, "-c", "from sgdlab.cli import main; main()", "run", name, "tracker=none"]
        fixed = ["launcher=slurm", "launcher.gpus_per_job=0", f"folders.store={self.folder / name}"]
        environment = {**os.environ, **self.cluster.environment, "OMP_NUM_THREADS": "1"}
        before, started = os.times(), time.perf_counter()
        done = subprocess.run([*command, *fixed, *options], cwd=self.folder, env=environment)
        if done.returncode:
            raise SystemExit(f"sgdlab run {name} failed")
        seconds, after = time.perf_counter() - started, os.times()
        cpu_seconds = after.children_user + after.children_system
        return seconds, cpu_seconds - before.children_user - before.children_system

    def write_sweep(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a sweep file with one grid."""
        num_updates = content["num_updates"]
        counts = {"budget.num_updates": num_updates, "evaluation.every_num_updates": num_updates}
        tuned = [axis for axis in content["axes"] if axis != "optimizer.lr"]
        sweep = {
            "paper": "none",
            "figure": name,
            "title": name,
            "base": {**BASE, **counts},
            "protocol": {"num_seeds": content["num_seeds"], "keep": content["num_seeds"]},
            "grids": {"all": {"label": "all", "axes": content["axes"]}},
            "drawing": {
                **({"kind": "optima", "tuned": tuned} if tuned else {}),
                "x": "optimizer.lr",
                "x_label": "ε",
                "y_label": "test accuracy",
                "curves": [{"grid": "all", "metric": "test_accuracy.best"}],
            },
            "scales": {"laptop": {}},
        }
        folder = self.folder / "sweeps"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(sweep), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=["submission", "overhead"])
    parser.add_argument("--workers", type=int, default=2, help="one job each; as many cores should be idle")
    options = parser.parse_args()
    if reason := why_not():
        raise SystemExit(reason)
    rows = []
    with tempfile.TemporaryDirectory(prefix="bs-") as folder:
        cluster_options = ClusterOptions(num_nodes=2, max_array_size=1001)
        with Cluster(Path(folder) / "slurm", cluster_options) as cluster:
            bench = Bench(Path(folder), cluster)
            if options.only != "overhead":
                rows += rows_of_submission(measure_submission(bench))
            if options.only != "submission":
                rows += rows_of_overhead(measure_overhead(bench, options.workers))
    print("\n".join(rows))
    if options.only is None:
        RESULTS.write_text(page(rows), encoding="utf-8")


def measure_submission(bench: Bench) -> Submission:
    """Submit 10,080 runs for as many jobs as an array may have; none of them begins."""
    bench.write_sweep("many", MANY)
    held = ("launcher.num_workers=1000", "launcher.sbatch.hold=true", "launcher.pack_size=10")
    seconds, cpu_seconds = bench.submit("many", *held)
    num_jobs = len(bench.cluster.jobs())
    bench.cluster.cancel_all()
    return Submission(6 * 8 * 6 * 35, num_jobs, seconds, cpu_seconds)


def measure_overhead(bench: Bench, num_workers: int) -> Overhead:
    """Submit and train a sweep of runs that last; jobs of one worker each."""
    bench.write_sweep("lasting", LASTING)
    store = Store(bench.folder / "lasting")
    started = time.time()
    bench.submit("lasting", f"launcher.num_workers={num_workers}")
    while bench.cluster.jobs():
        if time.time() - started > TIMEOUT_S:
            raise SystemExit(f"not finished in {TIMEOUT_S:.0f} s: are other programs at work?")
        time.sleep(0.5)
    spans = training_spans(store)
    lasting = sorted(end - begin for of_worker in spans.values() for begin, end in of_worker)
    first = min(begin for of_worker in spans.values() for begin, _ in of_worker)
    last = max(end for of_worker in spans.values() for _, end in of_worker)
    return Overhead(
        num_runs=len(lasting),
        num_workers=num_workers,
        median_run_s=lasting[len(lasting) // 2],
        start_s=first - started,
        seconds=last - started,
        training_s=sum(map(covered, spans.values())),
    )


def training_spans(store: Store) -> dict[str, list[tuple[float, float]]]:
    """Return for each attempt of a worker when its runs began and ended, in seconds; ends are whole ones."""
    spans = defaultdict(list)
    for path in store.runs.glob("*/*/result.json"):
        provenance = store.read_result(path.parent.name).provenance
        end = datetime.fromisoformat(provenance["finished_at"]).timestamp()
        spans[provenance["attempt"]].append((end - provenance["wall_s"], end))
    return dict(spans)


def covered(spans: list[tuple[float, float]]) -> float:
    """Return the seconds in at least one of some spans."""
    total, reached = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def rows_of_submission(found: Submission) -> list[str]:
    """Write a submission for a table."""
    return [
        *("| submission | | target |", "| --- | ---: | ---: |"),
        f"| runs submitted by one command | {found.num_runs:,} | |",
        f"| jobs in its array | {found.num_jobs:,} | |",
        f"| seconds from start to end | {found.seconds:.1f} | {SUBMISSION_TARGET_S:.0f} |",
        f"| processor seconds | {found.cpu_seconds:.1f} | |",
        "",
    ]


def rows_of_overhead(found: Overhead) -> list[str]:
    """Write an overhead for a table."""
    return [
        *("| training by Slurm's jobs | | target |", "| --- | ---: | ---: |"),
        f"| runs, median seconds of one | {found.num_runs}, {found.median_run_s:.1f} | |",
        f"| jobs of one worker | {found.num_workers} | |",
        f"| seconds from the command's start to the last result | {found.seconds:.0f} | |",
        f"| of these until the first worker trained | {found.start_s:.0f} | |",
        f"| seconds of training, by worker | {found.training_s / found.num_workers:.0f} | |",
        f"| overhead | {100 * found.share:.1f}% | {100 * OVERHEAD_TARGET:.0f}% |",
        "",
    ]


def page(rows: list[str]) -> str:
    """Write the page that the tables are kept in."""
    about = [f"| {heading} | {text} |" for heading, text in machine.describe().items()]
    head = ["# A private Slurm", "", "Written by `make bench-slurm`.", ""]
    return "\n".join([*head, "| machine | |", "| --- | --- |", *about, "", *rows])


if __name__ == "__main__":
    main()
