"""The command line at a hundred thousand runs: seconds, CPU seconds and peak memory against their targets.

Makes a sweep file of learning rates × strengths × seeds, and a store with a result for most of its runs: some
diverged, some failed, some missing. Then each of `sgdlab plan`, `status` and `results` is one command in a
process of its own, on one core; `rebuild` is `status` without index and journals: every run is read.

    python benchmarks/bench_scale.py [--runs 1000,10000,100000] [--seeds 1] [--folder FOLDER]

With one seed, the default, every run is a point of the grid, which is the most work for `results`. A folder
that is named is kept, and its store used again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from sgdlab.config.compose import open_composer
from sgdlab.config.shapes import shape_of
from sgdlab.runs.files import naming
from sgdlab.runs.indexed import IndexedRun
from sgdlab.runs.journal import Event
from sgdlab.runs.layout import file_stamp
from sgdlab.runs.result import RunResult
from sgdlab.runs.store import Store
from sgdlab.sweeps.expand import WantedRun, expand
from sgdlab.sweeps.files import load_sweep
from sgdlab.sweeps.finding import find_sweep

NUM_STRENGTHS = 100
NUM_JOURNALS = 16
METRICS = ("test_accuracy", "train_accuracy", "test_loss", "train_loss", "train_cost", "c_reg")
CURVES = bytes(range(256)) * 8
PEAK_TARGET_MB = 500.0
REBUILD_TARGET = 60.0  # seconds
SECONDS_TARGETS = {"plan": 10.0, "status": 2.0, "results": 10.0}


@dataclass(frozen=True)
class Bench:
    """A sweep file, and a store with most of its runs."""

    folder: Path
    num_runs: int

    @property
    def sweep(self) -> Path:
        """The sweep file."""
        return self.folder / "many.yaml"

    @property
    def store(self) -> Store:
        """The store."""
        return Store(self.folder / "store")


@dataclass(frozen=True)
class Timing:
    """What one command took, in a process of its own."""

    command: str
    num_runs: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    target_seconds: float
    target_peak_mb: float = PEAK_TARGET_MB

    @property
    def is_within_targets(self) -> bool:
        """Whether time and memory are."""
        return self.seconds <= self.target_seconds and self.peak_mb <= self.target_peak_mb


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", default="100000", help="comma list of multiples of 100 × seeds")
    parser.add_argument("--seeds", type=int, default=1, help="runs at each point of the grid")
    parser.add_argument("--folder", type=Path, help="kept; default: one that is thrown away")
    options = parser.parse_args()
    timings: list[Timing] = []
    with tempfile.TemporaryDirectory(prefix="bench-scale-") as temporary:
        for num_runs in map(int, options.runs.split(",")):
            bench = Bench((options.folder or Path(temporary)).absolute() / str(num_runs), num_runs)
            if not bench.store.runs.exists():
                started = time.perf_counter()
                build(bench, options.seeds)
                print(f"a store of {bench.num_runs:,} runs built in {time.perf_counter() - started:.0f} s")
            timings += [time_plan(bench), time_status(bench), time_results(bench), time_rebuild(bench)]
    print(table(timings))
    if not all(timing.is_within_targets for timing in timings):
        sys.exit(1)


def time_plan(bench: Bench) -> Timing:
    """Time `sgdlab plan`; the first time after `build` it takes in the journals of all workers, too."""
    return _time(bench, "plan")


def time_status(bench: Bench) -> Timing:
    """Time `sgdlab status`, after some other command about this sweep."""
    return _time(bench, "status")


def time_results(bench: Bench) -> Timing:
    """Time `sgdlab results` as a person sees them."""
    return _time(bench, "results")


def time_rebuild(bench: Bench) -> Timing:
    """Time `sgdlab status` where there is neither an index nor a journal to make one from."""
    shutil.rmtree(bench.folder / "cache", ignore_errors=True)
    aside = bench.store.journals.rename(bench.folder / "journals")
    try:
        return replace(_time(bench, "status"), command="rebuild", target_seconds=REBUILD_TARGET)
    finally:
        aside.rename(bench.store.journals)


def table(timings: list[Timing]) -> str:
    """Write timings for people."""
    lines = [f"{'':9}{'runs':>9}{'seconds':>9}{'target':>8}{'CPU s':>8}{'peak MB':>9}{'target':>8}"]
    for timing in timings:
        lines.append(
            f"{timing.command:9}{timing.num_runs:>9,}{timing.seconds:>9.2f}{timing.target_seconds:>8.0f}"
            f"{timing.cpu_seconds:>8.2f}{timing.peak_mb:>9.0f}{timing.target_peak_mb:>8.0f}"
            f"  {'within' if timing.is_within_targets else 'BEYOND'}"
        )
    return "\n".join(lines)


def build(bench: Bench, num_seeds: int = 1) -> None:
    """Write the sweep file and the store, as `Store.publish` does but without waiting for the disk."""
    bench.folder.mkdir(parents=True, exist_ok=True)
    bench.sweep.write_text(yaml.safe_dump(sweep_of(bench.num_runs, num_seeds)), encoding="utf-8")
    store = bench.store
    store.open_for_writing()
    for prefix in range(256):
        (store.runs / f"{prefix:02x}").mkdir()
    journals = [(store.journals / f"worker-{number}.jsonl").open("w") for number in range(NUM_JOURNALS)]
    write = _Writer(store)
    for number, row in enumerate(_wanted(bench)):
        events = write(row, number)
        journals[number % NUM_JOURNALS].writelines(f"{json.dumps(asdict(event))}\n" for event in events)
    for journal in journals:
        journal.close()


def sweep_of(num_runs: int, num_seeds: int = 1) -> dict[str, Any]:
    """Return a sweep file's content with so many runs."""
    num_rates, rest = divmod(num_runs, NUM_STRENGTHS * num_seeds)
    if rest or not num_rates:
        raise SystemExit(f"--runs must be a multiple of {NUM_STRENGTHS * num_seeds}")
    return {
        "paper": "none",
        "figure": "many",
        "title": "Many runs",
        "base": {"data": "mnist1d", "model": "mlp", "regularizer": "gradient_norm"},
        "protocol": {"num_seeds": num_seeds, "keep": max(1, num_seeds - 2)},
        "grids": {
            "many": {
                "label": "learning rate and strength",
                "axes": {
                    "optimizer.lr": [2.0 ** (-12 + 10 * i / num_rates) for i in range(num_rates)],
                    "regularizer.strength": [2.0 ** (-12 + i / 10) for i in range(NUM_STRENGTHS)],
                },
            }
        },
        "drawing": {
            "x": "optimizer.lr",
            "x_label": "ε",
            "y_label": "test accuracy",
            "curves": [{"grid": "many", "metric": "test_accuracy.best", "split_by": "regularizer.strength"}],
        },
        "scales": {"bench": {}},
    }


class _Writer:
    """Writes what each run leaves: of a hundred one is missing and one diverged; of a thousand one failed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._configs: dict[Any, Any] = {}  # component → its plain values

    def __call__(self, row: WantedRun, number: int) -> list[Event]:
        if number % 100 == 99:
            return []
        folder = self._store.run_folder(row.key)
        folder.mkdir()
        claimed = Event("claimed", row.key, "attempt")
        if number % 1000 == 98:
            failure = {
                "key": row.key,
                "attempt": "attempt",
                "error": "Error: made up",
                "log": "log",
                "at": "",
            }
            (folder / "failed.json").write_text(json.dumps(failure))
            return [claimed, Event("failed", row.key, "attempt", detail=failure)]
        return [claimed, self._publish(row, number, folder)]

    def _publish(self, row: WantedRun, number: int, folder: Path) -> Event:
        accuracy = 0.5 + int(row.key[:4], 16) / 2**18  # as good as random, and the same each time
        result = RunResult(
            key=row.key,
            state="diverged" if number % 100 == 97 else "done",
            config=self._config_of(row),
            summary={f"{name}.{statistic}": accuracy for name in METRICS for statistic in ("best", "final")},
            num_updates=row.run.num_updates,
            diverged_at=None,
            provenance={
                "device": "cpu",
                "pack_width": 32,
                "shape": shape_of(row.run),
                "seconds_per_update": 0.001,
            },
        )
        result = replace(result, curves_file="curves-attempt.npz", curves_sha256=_CURVES_SHA256)
        (folder / result.curves_file).write_bytes(CURVES)
        (folder / "result.json").write_text(json.dumps(result.__dict__, ensure_ascii=False))
        stamp = file_stamp(f"{folder}/result.json") + file_stamp(f"{folder}/{result.curves_file}")
        detail = {**IndexedRun.of(result).to_detail(), "stamp": stamp, "curves_file": result.curves_file}
        return Event("published", row.key, "attempt", detail=detail)

    def _config_of(self, row: WantedRun) -> Mapping[str, Any]:
        return {name: self._plain(value) for name, value in row.run.__dict__.items()}

    def _plain(self, value: Any) -> Any:
        if not hasattr(value, "model_dump"):
            return value
        if value not in self._configs:
            self._configs[value] = value.model_dump(mode="json")
        return self._configs[value]


# `ru_maxrss` would count what the benchmark itself held when it started the command.
_PROGRAM = """
import os
from sgdlab.cli import main
try:
    main()
finally:
    os.write(3, open("/proc/self/status", "rb").read())
"""
_CURVES_SHA256 = hashlib.sha256(CURVES).hexdigest()


def _wanted(bench: Bench) -> Iterator[WantedRun]:
    with naming(bench.folder), open_composer() as composer:
        yield from expand(load_sweep(find_sweep(str(bench.sweep)), "bench", composer, {}), composer)


def _time(bench: Bench, command: str) -> Timing:
    """Run one command; the kernel says what its process has used."""
    arguments = [command, str(bench.sweep), "--scale", "bench", f"folders.store={bench.store.root}"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(bench.folder / "cache"), "OMP_NUM_THREADS": "1"}
    program = [sys.executable, "-c", _PROGRAM, *arguments]
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile("w+") as peak:
        actions = [(os.POSIX_SPAWN_DUP2, file.fileno(), number) for file, number in ((output, 1), (peak, 3))]
        start = time.perf_counter()
        process = os.posix_spawn(sys.executable, program, environment, file_actions=actions)
        _, status, used = os.wait4(process, 0)
        seconds = time.perf_counter() - start
        if os.waitstatus_to_exitcode(status):
            raise SystemExit(f"sgdlab {' '.join(arguments)} failed")
        peak.seek(0)
        peak_kb = int(re.search(r"VmHWM:\s+(\d+) kB", peak.read())[1])  # type: ignore[index]
    return Timing(
        command=command,
        num_runs=bench.num_runs,
        seconds=seconds,
        cpu_seconds=used.ru_utime + used.ru_stime,
        peak_mb=peak_kb / 1024,
        target_seconds=SECONDS_TARGETS[command],
    )


if __name__ == "__main__":
    main()
