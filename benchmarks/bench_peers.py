"""A packed sweep against what one would write without it: Lightning + Hydra multirun + joblib.

Both sides train the same runs on the same numbers of cores, one torch thread a process, and are timed from
starting their process to its end. sgdlab runs the whole sweep, into a fresh store. The peer would take hours,
so it runs a sample of each *stratum* (runs that differ in seed, ε and λ alone, and so cost the same), and

    all = start-up + Σ over strata (runs / sampled) · (wall time − start-up),

start-up being a multirun of one update a process. That supposes the peer's processes never wait for each
other at the end, which favours it. The two sides alternate, and the order is reversed from round to round.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from peer_lightning.multirun import experiment_of, train_runs
from sgdlab.config.compose import open_composer
from sgdlab.config.schema import Run
from sgdlab.sweeps.expand import expand
from sgdlab.sweeps.files import find_sweep, load_sweep

_SGDLAB = Path(sys.executable).with_name("sgdlab")
_RESULT = Path(__file__).with_name("results") / "peers.json"


@dataclass(frozen=True)
class Stratum:
    """Runs of equal cost: they differ in seed, learning rate and strength of the penalty alone."""

    name: str
    runs: tuple[Run, ...]

    def sample(self, num_runs: int) -> tuple[Run, ...]:
        """Return at most so many runs, evenly spaced over the stratum."""
        if num_runs >= len(self.runs):
            return self.runs
        return tuple(self.runs[index * len(self.runs) // num_runs] for index in range(num_runs))


@dataclass(frozen=True)
class StratumTimes:
    """What the peer took for a stratum's sample."""

    name: str
    num_runs: int
    num_sampled: int
    wall_s: list[float]  # one a round
    best_test_accuracy: list[float]  # one a sampled run, the same in each round


def strata_of(runs: Sequence[Run]) -> list[Stratum]:
    """Sort runs by what they cost."""
    by_cost: dict[str, list[Run]] = {}
    for run in runs:
        experiment = experiment_of(run)
        is_penalised = experiment["penalty"] > 0
        cost = {k: v for k, v in experiment.items() if k not in ("seed", "lr", "penalty")}
        by_cost.setdefault(json.dumps([is_penalised, cost]), []).append(run)
    return [Stratum(_name(members[0]), tuple(members)) for members in by_cost.values()]


def extrapolate(strata: Sequence[StratumTimes], start_up_s: float) -> float:
    """Return what the peer would take for all runs of all strata, in seconds."""
    return start_up_s + sum(
        stratum.num_runs / stratum.num_sampled * (statistics.median(stratum.wall_s) - start_up_s)
        for stratum in strata
    )


def main() -> None:
    arguments = _parse_arguments()
    runs = planned_runs(arguments.sweep, arguments.scale)
    strata = strata_of(runs)
    samples = [stratum.sample(arguments.sample * arguments.cores) for stratum in strata]
    packed_s: list[float] = []
    start_up_s: list[float] = []
    walls: list[list[float]] = [[] for _ in strata]
    accuracies: list[list[float]] = [[] for _ in strata]

    def time_packed() -> None:
        packed_s.append(time_sweep(arguments.sweep, arguments.scale, arguments.cores, arguments.data))

    def time_start_up() -> None:
        first = [runs[0]] * arguments.cores
        start_up_s.append(train_runs(first, arguments.cores, arguments.data, num_updates=1).wall_s)

    def time_stratum(index: int) -> None:
        result = train_runs(samples[index], arguments.cores, arguments.data)
        walls[index].append(result.wall_s)
        accuracies[index] = list(result.best_test_accuracy)

    tasks = [time_start_up, *((lambda i=i: time_stratum(i)) for i in range(len(strata)))]
    tasks.insert(len(tasks) // 2 + 1, time_packed)
    for round_index in range(arguments.rounds):
        for task in tasks if round_index % 2 == 0 else reversed(tasks):
            task()

    times = [
        StratumTimes(stratum.name, len(stratum.runs), len(sample), wall_s, reached)
        for stratum, sample, wall_s, reached in zip(strata, samples, walls, accuracies, strict=True)
    ]
    _show(times, arguments.cores, statistics.median(start_up_s), packed_s)
    _write(times, arguments, start_up_s, packed_s)


def planned_runs(sweeps: Sequence[str], scale: str) -> list[Run]:
    """Return the distinct runs that the sweeps consist of, in the order of their files."""
    with open_composer() as composer:
        wanted = {
            row.key: row.run
            for name in sweeps
            for row in expand(load_sweep(find_sweep(name), scale, composer, {}), composer)
        }
    return list(wanted.values())


def time_sweep(sweeps: Sequence[str], scale: str, cores: int, data: Path) -> float:
    """Run the sweeps in a fresh store by the command that a person would type; return seconds."""
    with tempfile.TemporaryDirectory(prefix="store-") as store:
        command = [
            *(str(_SGDLAB), "run", *sweeps, "--scale", scale),
            f"folders.store={store}",
            f"folders.data={data.resolve()}",
            "launcher=local",
            f"launcher.num_workers={cores}",
            "launcher.device=cpu",
        ]
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sweep", nargs="*", default=["smith2021/fig1b"])
    parser.add_argument("--scale", default="laptop")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--sample", type=int, default=1, help="peer runs a stratum and core (default: 1)")
    parser.add_argument("--rounds", type=int, default=2, help="times that everything is timed (default: 2)")
    parser.add_argument("--data", type=Path, default=Path("data"), help="the data folder")
    return parser.parse_args()


def _name(run: Run) -> str:
    penalty = "plain" if run.regularizer.kind == "none" else "penalised"
    return f"{run.data.kind} {penalty}, {run.num_updates:,} updates"


def _show(times: list[StratumTimes], cores: int, start_up_s: float, packed_s: list[float]) -> None:
    table = Table(title=f"The same runs on {cores} cores: the peer by strata, then both")
    for heading in ("stratum", "runs", "sampled", "core-s/run", "all, wall"):
        table.add_column(heading, justify="left" if heading == "stratum" else "right")
    for stratum in times:
        sampled_s = statistics.median(stratum.wall_s) - start_up_s
        table.add_row(
            stratum.name,
            str(stratum.num_runs),
            str(stratum.num_sampled),
            f"{sampled_s * min(cores, stratum.num_sampled) / stratum.num_sampled:.1f}",
            f"{sampled_s * stratum.num_runs / stratum.num_sampled:,.0f} s",
        )
    peer_s, sgdlab_s = extrapolate(times, start_up_s), statistics.median(packed_s)
    table.add_section()
    table.add_row("peer, extrapolated, start-up once", "", "", "", f"{peer_s:,.0f} s")
    table.add_row("sgdlab, whole sweep measured", "", "", "", f"{sgdlab_s:,.0f} s")
    table.add_row("ratio", "", "", "", f"{peer_s / sgdlab_s:.1f}")
    Console().print(table)


def _write(
    times: list[StratumTimes], arguments: argparse.Namespace, start_up_s: list[float], packed_s: list[float]
) -> None:
    peer_s = extrapolate(times, statistics.median(start_up_s))
    result: dict[str, Any] = {
        "sweeps": arguments.sweep,
        "scale": arguments.scale,
        "cores": arguments.cores,
        "sgdlab_wall_s": packed_s,
        "peer_start_up_s": start_up_s,
        "peer_strata": [vars(stratum) for stratum in times],
        "peer_wall_s_extrapolated": peer_s,
        "ratio": peer_s / statistics.median(packed_s),
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("sgdlab", "torch", "pytorch-lightning", "hydra-core")},
    }
    _RESULT.parent.mkdir(exist_ok=True)
    _RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    Console().print(f"written: {_RESULT}")


if __name__ == "__main__":
    main()
