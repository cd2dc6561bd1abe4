"""Kill sgdlab with -9 again and again: its results must be those of an undisturbed run, bit for bit.

A small sweep with plain, penalised and n-step runs is trained once undisturbed. Then, in fresh stores,
commands and workers are killed at random instants, and as checkpoints and results are being written; after
each killed command the same command is given again. When a sweep is finished its curves and summaries are
compared, and what the killed ones have left behind is looked for, until there were as many kills as wanted.

    python benchmarks/kill_test.py [--kills 50] [--seed 0] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
import yaml

SWEEP = {
    "paper": "own",
    "figure": "kills",
    "title": "Plain, penalised and n-step runs",
    "base": {
        "data": "digits",
        "data.num_train": 256,
        "data.num_test": 200,
        "model.hidden_widths": [16],
        "optimizer.batch_size": 8,
        "budget": "updates",
        "evaluation": "updates",
    },
    "protocol": {"num_seeds": 2, "keep": 2},
    "grids": {
        "rate": {"label": "plain", "axes": {"optimizer.lr": "pow2(-6, -1)"}},
        "strength": {
            "label": "penalised",
            "fixed": {"regularizer": "gradient_norm", "optimizer.lr": "2**-5"},
            "axes": {"regularizer.strength": "pow2(-4, -2)"},
        },
        "steps": {
            "label": "n-step",
            "fixed": {"optimizer.inner_steps": 4},
            "axes": {"optimizer.lr": "pow2(-7, -5)"},
        },
    },
    "drawing": {
        "x": "optimizer.lr",
        "x_label": "learning rate",
        "y_label": "test accuracy",
        "curves": [{"grid": "rate", "metric": "test_accuracy.best"}],
    },
    "scales": {"laptop": {}},
}
SETTINGS = [
    "tracker=none",
    "launcher.num_workers=2",
    "launcher.checkpoint_every_s=0.3",
    "launcher.device=cpu",
]
MOST_WORKERS_KILLED = 2  # in one command: three deaths in a row are blamed on the runs
LONGEST_WAIT_S = 10.0
LONGEST_COMMAND_S = 600.0
# What torch makes at every start, and the few bytes by which a command tries whether it can write.
HARMLESS = ("torchinductor", ".probe")

Moment = Literal["at random", "as a checkpoint is written", "as a result is published"]
PARTS = {"as a checkpoint is written": "attempts/*/.checkpoint*", "as a result is published": "runs/*/*/.*"}


@dataclass(frozen=True)
class Kill:
    """What was killed, and what could be seen just before."""

    victim: Literal["command", "worker"]
    moment: Moment
    phase: str
    num_done: int


@dataclass
class Laboratory:
    """A folder of its own, with the sweep, a store, a cache and a temporary folder."""

    folder: Path
    num_updates: int
    kills: list[Kill] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("sweeps", "cache", "tmp"):
            (self.folder / name).mkdir(parents=True)
        base = {**SWEEP["base"], "budget.num_updates": self.num_updates}  # type: ignore[dict-item]
        base["evaluation.every_num_updates"] = self.num_updates // 10
        (self.folder / "sweeps" / "kills.yaml").write_text(yaml.safe_dump({**SWEEP, "base": base}))

    @property
    def store(self) -> Path:
        """The store of its runs."""
        return self.folder / "outputs" / "store"

    def start(self) -> subprocess.Popen[str]:
        """Give the command."""
        places = {"XDG_CACHE_HOME": str(self.folder / "cache"), "TMPDIR": str(self.folder / "tmp")}
        with (self.folder / "log.txt").open("a") as log:
            return subprocess.Popen(
                [sys.executable, "-c", "from sgdlab.cli import main; main()", "run", "kills", *SETTINGS],
                cwd=self.folder,
                env=os.environ | places | {"OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=log,
                text=True,
            )

    def finish(self) -> None:
        """Give the command and let it end."""
        process = self.start()
        if process.wait(timeout=LONGEST_COMMAND_S) != 0:
            raise RuntimeError(f"the command ended with {process.returncode}; see {self.folder / 'log.txt'}")

    def results(self) -> dict[str, dict[str, Any]]:
        """Return key → what science reads of a run: how it ended, its summary, the bytes of its curves."""
        found = {}
        for path in self.store.glob("runs/*/*/result.json"):
            result = json.loads(path.read_bytes())
            with np.load(path.parent / result["curves_file"]) as curves:
                bits = {name: (values.dtype.str, values.tobytes()) for name, values in curves.items()}
            kept = {
                name: result[name] for name in ("state", "summary", "num_updates", "diverged_at", "config")
            }
            found[result["key"]] = {**kept, "curves": bits}
        return found

    def leftovers(self) -> list[str]:
        """Return what killed processes have left behind."""
        results = list(self.store.glob("runs/*/*/result.json"))
        kept = {path.parent / json.loads(path.read_bytes())["curves_file"] for path in results}
        found = [path for path in self.store.glob("runs/*/*/*") if path not in kept.union(results)]
        for folder in (self.store / "attempts", self.store / "trash", self.folder / "tmp"):
            found += [path for path in folder.iterdir() if not path.name.startswith(HARMLESS)]
        return sorted(str(path.relative_to(self.folder)) for path in found)


def run_with_kills(laboratory: Laboratory, draw: random.Random, num_kills: int) -> None:
    """Give the command until it ends by itself, killing up to `num_kills` processes on the way."""
    while len(laboratory.kills) < num_kills:
        process = laboratory.start()
        for _ in range(draw.randint(0, MOST_WORKERS_KILLED)):
            if not _kill(laboratory, draw, process, "worker") or len(laboratory.kills) == num_kills:
                break
        if len(laboratory.kills) == num_kills or not _kill(laboratory, draw, process, "command"):
            if process.wait(timeout=LONGEST_COMMAND_S) != 0:
                raise RuntimeError(
                    f"a command ended with {process.returncode}: {laboratory.folder / 'log.txt'}"
                )
            return
        process.wait()
    laboratory.finish()


def differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Name every run that isn't what it should be."""
    wrong = [f"{key}: missing" for key in expected.keys() - found.keys()]
    wrong += [f"{key}: not asked for" for key in found.keys() - expected.keys()]
    for key in expected.keys() & found.keys():
        parts = [name for name in expected[key] if found[key][name] != expected[key][name]]
        wrong += [f"{key}: another {', '.join(parts)}"] if parts else []
    return sorted(wrong)


def _kill(laboratory: Laboratory, draw: random.Random, process: subprocess.Popen[str], victim: str) -> bool:
    """Wait for the drawn moment and kill; return False if the command ended before."""
    moment: Moment = draw.choice(["at random", "at random", *PARTS])
    if moment == "at random":
        _wait(process, draw.choice([draw.uniform(0, 1.5), draw.uniform(0, 8), draw.uniform(4, 12)]))
    else:
        _wait_for_part(laboratory, process, PARTS[moment])
    if process.poll() is not None:
        return False
    workers = _workers_of(process.pid)
    if victim == "worker" and not workers:
        return True  # too early: the command itself may be the next
    num_done = len(list(laboratory.store.glob("runs/*/*/result.json")))
    kill = Kill(victim, moment, _phase(laboratory, workers), num_done)  # type: ignore[arg-type]
    if victim == "command":
        process.kill()
    else:
        _kill_quietly(draw.choice(workers))
    laboratory.kills.append(kill)
    return True


def _wait(process: subprocess.Popen[str], seconds: float) -> None:
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return


def _wait_for_part(laboratory: Laboratory, process: subprocess.Popen[str], pattern: str) -> None:
    """Wait until a file that is being written can be seen."""
    deadline = time.monotonic() + LONGEST_WAIT_S
    while time.monotonic() < deadline and process.poll() is None:
        if next(laboratory.store.glob(pattern), None) is not None:
            return
        time.sleep(0.0005)


def _workers_of(pid: int) -> list[psutil.Process]:
    try:
        return [
            child
            for child in psutil.Process(pid).children()
            if "sgdlab.launch.worker_process" in child.cmdline()
        ]
    except psutil.Error:
        return []


def _kill_quietly(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def _phase(laboratory: Laboratory, workers: list[psutil.Process]) -> str:
    attempts = list((laboratory.store / "attempts").glob("*"))
    if next(laboratory.store.glob("runs/*/*/.*"), None) is not None:
        return "publishing"
    if next(laboratory.store.glob("attempts/*/.checkpoint*"), None) is not None:
        return "writing a checkpoint"
    if any((attempt / "checkpoint.ckpt").exists() for attempt in attempts):
        return "training, with a checkpoint"
    if any((attempt / "claimed.txt").exists() for attempt in attempts):
        return "training"
    return "starting workers" if workers else "planning"


def once_quiet(laboratory: Laboratory) -> list[str]:
    """Return the leftovers once workers of killed commands, which end by themselves, have ended."""
    deadline = time.monotonic() + LONGEST_WAIT_S
    while (left := laboratory.leftovers()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


def _rounds(folder: Path, num_updates: int) -> Iterator[Laboratory]:
    return (Laboratory(folder / f"round-{index}", num_updates) for index in itertools.count(1))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--updates", type=int, default=6_000, help="of each run")
    parser.add_argument(
        "--folder", type=Path, default=None, help="where to work; default: a temporary folder"
    )
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="sgdlab-kills-", dir=arguments.folder))
    draw = random.Random(arguments.seed)
    started = time.monotonic()

    print(f"working in {folder}; seed {arguments.seed}", flush=True)
    reference = Laboratory(folder / "undisturbed", arguments.updates)
    reference.finish()
    expected = reference.results()
    print(f"undisturbed: {len(expected)} runs in {time.monotonic() - started:.0f} s", flush=True)

    kills: list[Kill] = []
    wrong: list[str] = []
    for laboratory in _rounds(folder, arguments.updates):
        run_with_kills(laboratory, draw, arguments.kills - len(kills))
        for number, kill in enumerate(laboratory.kills, start=len(kills) + 1):
            print(f"kill {number:3}: {kill.victim:7} {kill.moment}; {kill.phase}, {kill.num_done} runs done")
        kills += laboratory.kills
        found = [*differences(laboratory.results(), expected), *once_quiet(laboratory)]
        wrong += [f"{laboratory.folder.name}: {problem}" for problem in found]
        print(f"{laboratory.folder.name}: {len(expected)} runs compared; {len(found)} problems", flush=True)
        if len(kills) >= arguments.kills:
            break
    print(*wrong, sep="\n", end="\n" if wrong else "")
    phases = ", ".join(f"{number} {phase}" for phase, number in Counter(kill.phase for kill in kills).items())
    victims = ", ".join(f"{number} {victim}s" for victim, number in Counter(k.victim for k in kills).items())
    print(f"{len(kills)} kills ({victims}) while {phases}; {time.monotonic() - started:.0f} s")
    print(
        "FAIL"
        if wrong
        else "PASS: curves and summaries of all runs are equal bit for bit, and nothing is left behind"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
