"""How long the index takes at N runs: `python benchmarks/bench_index.py [N] [FOLDER]`.

Builds a store of N published runs in FOLDER (kept, and used again if it is there already), then prints the
seconds and the peak memory of each step, every one in a process of its own.
"""

import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from sgdlab.runs.index import Index
from sgdlab.runs.indexed import IndexedRun
from sgdlab.runs.journal import Event
from sgdlab.runs.result import RunResult
from sgdlab.runs.store import Store

NUM_JOURNALS = 64
METRICS = ("test_accuracy", "train_accuracy", "test_loss", "train_loss", "train_cost", "c_reg")
CONFIG = {
    "precision": "float32",
    "data": {"kind": "fashion_mnist", "num_train": 4000, "num_test": 2000, "standardize": "dataset"},
    "model": {"kind": "mlp", "hidden_widths": [128, 128, 128], "activation": "relu"},
    "loss": {"kind": "cross_entropy", "l2": 0.0},
    "regularizer": {"kind": "gradient_norm", "strength": 0.125, "estimator": "exact"},
    "optimizer": {"kind": "sgd", "lr": 0.0078125, "batch_size": 16, "inner_steps": 1, "order": "shuffled"},
    "schedule": {"kind": "hold_then_decay", "hold_fraction": 0.5, "num_drops": 10, "factor": 2.0},
    "budget": {"kind": "updates", "num_updates": 15000},
    "evaluation": {"kind": "updates", "every_num_updates": 250},
}
STEPS: dict[str, Callable[[Index, list[str]], object]] = {
    "first lookup, follows the journals": Index.lookup,
    "warm lookup": Index.lookup,
    "rebuild": lambda index, _: index.rebuild(),
    "warm lookup after it": Index.lookup,
}


def main() -> None:
    num_runs = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    root = Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp(prefix="bench-index-"))
    if not (root / "store").exists():
        started = time.perf_counter()
        build(Store(root / "store"), num_runs)
        print(f"built {num_runs} runs in {root} in {time.perf_counter() - started:.1f} s")
    for file in root.glob("*.sqlite*"):
        file.unlink()
    for name in STEPS:
        subprocess.run([sys.executable, __file__, str(num_runs), str(root), name], check=True)


def build(store: Store, num_runs: int) -> None:
    """Write results as `Store.publish` does, without waiting for the disk at each of them."""
    store.open_for_writing()
    journals = [(store.journals / f"worker-{number}.jsonl").open("w") for number in range(NUM_JOURNALS)]
    for number, key in enumerate(keys_of(num_runs)):
        result = result_of(number, key)
        folder = store.run_folder(key)
        folder.mkdir(parents=True)
        path = folder / "result.json"
        path.write_bytes(result.to_json())
        (folder / result.curves_file).write_bytes(b"x" * 2000)
        status = path.stat()
        detail = {**IndexedRun.of(result).to_detail(), "stamp": [status.st_mtime_ns, status.st_size]}
        for event in (Event("claimed", key, "attempt"), Event("published", key, "attempt", detail=detail)):
            journals[number % NUM_JOURNALS].write(json.dumps(asdict(event)) + "\n")
    for journal in journals:
        journal.close()


def keys_of(num_runs: int) -> list[str]:
    return [hashlib.sha256(str(number).encode()).hexdigest()[:32] for number in range(num_runs)]


def result_of(number: int, key: str) -> RunResult:
    value = number / 1e6
    result = RunResult(
        key=key,
        state="done",
        config={"seed": number, **CONFIG},
        summary={f"{name}.{statistic}": value for name in METRICS for statistic in ("best", "final")},
        num_updates=15000,
        diverged_at=None,
        provenance={"device": "cpu", "pack_width": 32, "shape": "mlp", "seconds_per_update": 0.001},
    )
    return replace(result, curves_file="curves-20260101T000000.000000-01234567.npz", curves_sha256="0" * 64)


def step(num_runs: int, root: Path, name: str) -> None:
    keys = keys_of(num_runs)
    before_mb = peak_mb()
    started = time.perf_counter()
    kept = STEPS[name](Index(Store(root / "store"), root), keys)  # held, so that it counts
    seconds = time.perf_counter() - started
    assert kept is None or len(kept) == num_runs
    print(f"{name:36} {seconds:6.2f} s {peak_mb():5.0f} MB, {before_mb:.0f} of them before it", flush=True)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    if len(sys.argv) == 4:
        step(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    else:
        main()
