"""Kill sgdlab with -9 again and again: its results must be those of an undisturbed run, bit for bit.

A small sweep with plain, penalised and n-step runs is trained once undisturbed. Then, in fresh stores,
commands and workers are killed at random instants of every phase, and as checkpoints and results are being
written; after each killed command the same command is given again. When a sweep is finished its curves and
summaries are compared, and what the killed ones have left behind is looked for, until there were as many
kills as wanted.

    python benchmarks/kill_test.py [--kills 50] [--seed 0] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import copy
import glob
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
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
        "short": {
            "label": "plain, and shorter than its companions",
            "fixed": {"evaluation.every_num_updates": 70},
            "axes": {"optimizer.lr": "pow2(-5, -4)"},
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
    "launcher.pack_size=4",  # so that slots are filled as runs end
    "launcher.checkpoint_every_s=0.3",
    "launcher.device=cpu",
]
MOST_WORKERS_KILLED = 2  # in one command: three deaths in a row are blamed on the runs
LONGEST_WAIT_S = 60.0
LONGEST_COMMAND_S = 600.0
# What torch makes at every start, and the few bytes by which a command tries whether it can write.
HARMLESS = ("torchinductor", ".probe")

Moment = Literal["planning", "starting", "training", "writing a checkpoint", "publishing"]
# What shows that the moment has come, and for how many seconds more at most it is waited then.
SIGNS: dict[Moment, tuple[str, float]] = {
    "planning": ("", 1.5),
    "starting": ("plans/*.json.gz", 4.0),
    "training": ("attempts/*/manifest.json", 2.0),
    "writing a checkpoint": ("attempts/*/.checkpoint*", 0.0),
    "publishing": ("runs/*/*/.*", 0.02),
}


@dataclass(frozen=True)
class Kill:
    """What was killed, when, and how many runs had a result by then."""

    victim: Literal["command", "worker"]
    moment: Moment
    num_done: int


@dataclass
class Laboratory:
    """A folder of its own, with the sweep, a store, a cache and a temporary folder."""

    folder: Path
    num_updates: int
    on_kill: Callable[[Kill], None] = lambda _: None
    kills: list[Kill] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("sweeps", "cache", "tmp"):
            (self.folder / name).mkdir(parents=True)
        sweep: dict[str, Any] = copy.deepcopy(SWEEP)
        sweep["base"]["budget.num_updates"] = self.num_updates
        sweep["base"]["evaluation.every_num_updates"] = self.num_updates // 10
        sweep["grids"]["short"]["fixed"]["budget.num_updates"] = self.num_updates // 3
        (self.folder / "sweeps" / "kills.yaml").write_text(yaml.safe_dump(sweep))

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
    """Wait for a drawn moment and kill; return False if the command ended before."""
    moment = draw.choice(list(SIGNS))
    pattern, longest_delay_s = SIGNS[moment]
    _wait_for_sign(laboratory, process, pattern)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=draw.uniform(0, longest_delay_s))
    if process.poll() is not None:
        return False
    workers = _workers(laboratory)
    if victim == "worker" and not workers:
        return True  # too early: the command itself may be the next
    num_done = len(list(laboratory.store.glob("runs/*/*/result.json")))
    kill = Kill(victim, moment, num_done)  # type: ignore[arg-type]
    if victim == "command":
        process.kill()
    else:
        with suppress(psutil.NoSuchProcess):
            draw.choice(workers).kill()
    laboratory.kills.append(kill)
    laboratory.on_kill(kill)
    return True


def _wait_for_sign(laboratory: Laboratory, process: subprocess.Popen[str], pattern: str) -> None:
    """Wait until a file can be seen that wasn't there before, or is another one now."""
    before = set(_files(laboratory, pattern))
    deadline = time.monotonic() + LONGEST_WAIT_S
    while pattern and time.monotonic() < deadline and process.poll() is None:
        if any(file not in before for file in _files(laboratory, pattern)):
            return
        time.sleep(0.0005)


def _files(laboratory: Laboratory, pattern: str) -> Iterator[tuple[Path, int]]:
    # not Path.glob, which raises where a folder goes while it looks
    for path in map(Path, glob.iglob(str(laboratory.store / pattern)) if pattern else ()):
        with suppress(FileNotFoundError):
            yield path, path.stat().st_mtime_ns


def _workers(laboratory: Laboratory) -> list[psutil.Process]:
    """Return all workers of the store, those of killed commands too."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if {"sgdlab.launch.worker_process", str(laboratory.store)} <= set(process.cmdline()):
                found.append(process)
    return found


def once_quiet(laboratory: Laboratory) -> list[str]:
    """Return the leftovers once workers of killed commands, which end by themselves, have ended."""
    deadline = time.monotonic() + LONGEST_WAIT_S
    while (left := laboratory.leftovers()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


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

    def report(kill: Kill) -> None:
        kills.append(kill)
        done = f"{kill.num_done} of {len(expected)} runs done"
        print(f"kill {len(kills):3}: {kill.victim:7} while {kill.moment}; {done}", flush=True)

    for number in itertools.count(1):
        laboratory = Laboratory(folder / f"round-{number}", arguments.updates, report)
        run_with_kills(laboratory, draw, arguments.kills - len(kills))
        found = [*differences(laboratory.results(), expected), *once_quiet(laboratory)]
        wrong += [f"round {number}: {problem}" for problem in found]
        print(f"round {number}: {len(expected)} runs compared; {len(found)} problems", flush=True)
        if len(kills) >= arguments.kills:
            break
    print(*wrong, sep="\n", end="\n" if wrong else "")
    moments = ", ".join(f"{number} {moment}" for moment, number in Counter(k.moment for k in kills).items())
    victims = ", ".join(f"{number} {victim}s" for victim, number in Counter(k.victim for k in kills).items())
    print(f"{len(kills)} kills ({victims}) while {moments}; {time.monotonic() - started:.0f} s")
    print(
        "FAIL"
        if wrong
        else "PASS: curves and summaries of all runs are equal bit for bit, and nothing is left behind"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
