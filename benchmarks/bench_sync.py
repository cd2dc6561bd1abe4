"""`sgdlab sync` against a server that takes its time: seconds for many runs, by how many go at once.

Writes offline runs, then uploads all of them through W&B's own `wandb sync` to a stand-in on this machine, a
process of its own, that waits before it answers as a server far away does. Its answers cost a processor,
too, so what is gained is a bound from below.

    python benchmarks/bench_sync.py [--runs 1000] [--parallel 1,4,16,64] [--delay-s 0.05] [--folder FOLDER]

A folder that is named is kept, and its runs used again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sgdlab.config.execution import WandbTracker
from sgdlab.tracking.contexts import SweepContext
from sgdlab.tracking.run_export import export_run
from sgdlab.tracking.upload import Destination, offline_runs, upload
from wandb_stand_in import StandIn

NUM_EVALUATIONS = 50
CONTEXT = SweepContext("bench/sync", "sgd", "bench", "sync", "laptop", "lr=2**-6 seed=0", "lr=2**-6")


@dataclass(frozen=True)
class MadeUpRun:
    """A result as the export reads it."""

    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    state: Literal["done", "diverged"] = "done"
    config: dict[str, Any] = field(default_factory=lambda: {"seed": 0, "optimizer": {"lr": 2.0**-6}})
    summary: dict[str, float | None] = field(default_factory=lambda: {"test_accuracy.best": 0.75})
    num_updates: int = NUM_EVALUATIONS
    diverged_at: int | None = None
    provenance: dict[str, Any] = field(default_factory=dict)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--parallel", default="1,4,16,64")
    parser.add_argument("--delay-s", type=float, default=0.05)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        tracker = WandbTracker(folder=arguments.folder or Path(scratch))
        export_missing(tracker, arguments.runs)
        first = None
        for num_at_once in map(int, arguments.parallel.split(",")):
            seconds = upload_all(tracker, arguments.runs, num_at_once, arguments.delay_s)
            first = first or seconds
            print(
                f"{num_at_once:3} at once: {seconds:7.1f} s, {first / seconds:5.1f} times the first",
                flush=True,
            )


def export_missing(tracker: WandbTracker, num_runs: int) -> None:
    """Write runs until there are as many; say what one costs."""
    curves = {"updates": np.arange(NUM_EVALUATIONS), "test_accuracy": np.linspace(0, 1, NUM_EVALUATIONS)}
    missing = num_runs - len(offline_runs(tracker))
    started = time.monotonic()
    for _ in range(missing):
        export_run(MadeUpRun(), curves, CONTEXT, tracker)
    if missing > 0:
        print(
            f"exported {missing} runs, {1e3 * (time.monotonic() - started) / missing:.0f} ms each", flush=True
        )


def upload_all(tracker: WandbTracker, num_runs: int, num_at_once: int, delay_s: float) -> float:
    """Upload so many runs, marked or not, to a server of its own; return the seconds."""
    for mark in (tracker.folder / "wandb").glob("*/*.synced"):
        mark.unlink()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there, delay_s), daemon=True)
    server.start()
    os.environ.update(here.recv())
    started = time.monotonic()
    progress = upload(offline_runs(tracker)[:num_runs], tracker, Destination(), num_at_once, str)
    seconds = time.monotonic() - started
    here.send("end")
    num_received = here.recv()
    server.join()
    assert not progress.failed, progress.failed
    assert num_received == progress.num_uploaded
    return seconds


def serve(connection: Connection, delay_s: float) -> None:
    """Be the server until told to end; then say how many whole runs there are."""
    with StandIn(delay_s) as server:
        connection.send(server.environment)
        connection.recv()
        connection.send(sum(run.is_complete for run in server.runs.values()))


if __name__ == "__main__":
    main()
