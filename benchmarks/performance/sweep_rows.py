"""A whole sweep, from the command to its end, against the same runs as a Hydra multirun of Lightning runs.

Both sides train the same runs on the same cores, one torch thread a process. sgdlab runs all of them, into a
fresh store. The peers would take the better part of an hour, so each runs a sample, and

    all = start-up + runs / sampled · (wall time − start-up).

Start-up is paid once: of joblib and of the basic launcher it is a multirun of one update a process; of
submitit, which starts a process a run, it is the parent's alone. That supposes that processes never wait for
each other at the end, which favours the peers. The runs cost the same, which is checked.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from peer_lightning.multirun import Launcher, experiment_of, time_start_up, train_runs
from performance.rows import Missing, Row, RowSpec, ratios
from performance.timing import own_cache, take_turns
from sgdlab.config.compose import open_composer
from sgdlab.config.schema import Run
from sgdlab.sweeps.expand import expand
from sgdlab.sweeps.files import load_sweep
from sgdlab.sweeps.finding import find_sweep

SWEEP = Path(__file__).parents[1] / "sweeps" / "laptop100.yaml"
_SGDLAB = Path(sys.executable).with_name("sgdlab")
_TITLE = "laptop sweep of 100 runs, start to end"
_PLUGINS = {
    "joblib": "hydra_plugins.hydra_joblib_launcher",
    "submitit": "hydra_plugins.hydra_submitit_launcher",
    "basic": None,
}
_SPECS: dict[Launcher, RowSpec] = {
    "joblib": RowSpec("sweep-joblib", _TITLE, "Hydra multirun, joblib launcher, Lightning runs", 25.0),
    "basic": RowSpec("sweep-basic", _TITLE, "Hydra multirun, basic launcher, Lightning runs", 40.0),
    "submitit": RowSpec("sweep-submitit", _TITLE, "Hydra multirun, submitit_local, a process a run"),
}


@dataclass(frozen=True)
class Sample:
    """A part of a peer's runs, and how long it takes."""

    launcher: Launcher
    runs: tuple[Run, ...]
    start_up_s: float

    def extrapolate(self, wall_s: float, num_runs: int) -> float:
        """Return what all runs would take, in seconds."""
        return self.start_up_s + num_runs / len(self.runs) * (wall_s - self.start_up_s)


@dataclass(frozen=True)
class SweepGroup:
    """The sweep at one scale."""

    scale: str = "laptop"
    name: str = "sweep"

    @property
    def specs(self) -> list[RowSpec]:
        """Return the rows."""
        return list(_SPECS.values())

    def measure(self, wanted: Collection[str], num_rounds: int) -> list[Row | Missing]:
        """Time the sweep and the wanted peers in turns."""
        cores = len(os.sched_getaffinity(0))
        runs = planned_runs(self.scale)
        launchers = [launcher for launcher, spec in _SPECS.items() if spec.name in wanted]
        missing = [name for name in launchers if (plugin := _PLUGINS[name]) and find_spec(plugin) is None]
        reason = "the launcher isn't installed: `make bench` does that"
        rows: list[Row | Missing] = [Missing(_SPECS[name], reason) for name in missing]
        with tempfile.TemporaryDirectory(prefix="data-") as data:
            samples = [_sample(name, runs, cores, Path(data)) for name in launchers if name not in missing]
            timers: dict[str, Callable[[], float]] = {
                sample.launcher: partial(_time_sample, sample, cores, Path(data)) for sample in samples
            }
            timers["sgdlab"] = lambda: time_sweep(self.scale, cores)
            walls = take_turns(timers, num_rounds)
        for sample in samples:
            peer_s = [sample.extrapolate(wall_s, len(runs)) for wall_s in walls[sample.launcher]]
            note = (
                f"{_seconds(peer_s)} extrapolated from {len(sample.runs)} of {len(runs)} runs"
                f" against {_seconds(walls['sgdlab'])} measured"
            )
            values = ratios(peer_s, walls["sgdlab"])
            rows.append(Row.over_rounds(_SPECS[sample.launcher], values, note))
        return rows


def planned_runs(scale: str) -> list[Run]:
    """Return the sweep's runs.

    Raises
    ------
    ValueError
        If they don't cost the same: a sample would say nothing about the others.
    """
    with open_composer() as composer:
        sweep = load_sweep(find_sweep(str(SWEEP)), scale, composer, {})
        runs = list({row.key: row.run for row in expand(sweep, composer)}.values())
    costs = [{k: v for k, v in experiment_of(run).items() if k not in ("seed", "lr")} for run in runs]
    if any(cost != costs[0] for cost in costs):
        raise ValueError(f"{SWEEP}: its runs don't cost the same")
    return runs


def time_sweep(scale: str, cores: int) -> float:
    """Run the sweep as a person would for the first time, store and cache empty; return seconds."""
    with tempfile.TemporaryDirectory(prefix="store-") as store, tempfile.TemporaryDirectory() as cache:
        environment = os.environ | own_cache(Path(cache))
        command = [
            *(str(_SGDLAB), "run", str(SWEEP), "--scale", scale, f"folders.store={store}"),
            *("launcher=local", "launcher.device=cpu", f"launcher.num_workers={cores}"),
        ]
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=environment)
        return time.perf_counter() - start


def _sample(launcher: Launcher, runs: Sequence[Run], cores: int, data: Path) -> Sample:
    """Choose runs spread over the sweep, as many as train at once, and time starting up."""
    at_once = 1 if launcher == "basic" else cores
    chosen = tuple(runs[index * len(runs) // at_once] for index in range(at_once))
    if launcher == "submitit":
        return Sample(launcher, chosen, time_start_up())
    started = train_runs([runs[0]] * at_once, launcher, cores, data, num_updates=1)
    return Sample(launcher, chosen, started.wall_s)


def _time_sample(sample: Sample, cores: int, data: Path) -> float:
    return train_runs(sample.runs, sample.launcher, cores, data).wall_s


def _seconds(values: Sequence[float]) -> str:
    return " and ".join(f"{value:,.0f} s" for value in values)
