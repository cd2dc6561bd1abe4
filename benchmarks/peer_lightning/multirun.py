"""Train sgdlab's runs through the peer: one Hydra multirun, by one of Hydra's launchers."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from sgdlab.config.components import GradientNormRegularizer
from sgdlab.config.models import MlpModel
from sgdlab.config.schema import Run

_APPLICATION = Path(__file__).with_name("train.py")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}

Launcher = Literal["joblib", "basic", "submitit"]


@dataclass(frozen=True)
class PeerResult:
    """What one multirun took, from starting its process to its end, and what its runs reached."""

    wall_s: float
    best_test_accuracy: tuple[float, ...]  # one a run, in the order asked for; empty if nothing was evaluated


def train_runs(
    runs: Sequence[Run],
    launcher: Launcher,
    num_processes: int,
    data_folder: Path,
    num_updates: int | None = None,
) -> PeerResult:
    """Train the runs and wait for them; `num_updates` cuts each short, to time starting up alone.

    joblib keeps `num_processes` processes for all runs; basic trains one run after the other in its own
    process; submitit starts a process a run, all at once: give it no more runs than there are cores.
    """
    with tempfile.TemporaryDirectory(prefix="peer-") as name:
        folder = Path(name)
        experiments = folder / "conf" / "experiment"
        experiments.mkdir(parents=True)
        for index, run in enumerate(runs):
            values = experiment_of(run) | ({"num_updates": num_updates} if num_updates else {})
            text = "# @package _global_\n" + yaml.safe_dump(values)
            (experiments / f"run{index}.yaml").write_text(text, encoding="utf-8")
        wall_s = _run_application(
            "--multirun",
            "experiment=" + ",".join(f"run{index}" for index in range(len(runs))),
            f"data_folder={data_folder.resolve()}",
            f"hydra.searchpath=[file://{folder}/conf]",
            f"hydra.sweep.dir={folder}/multirun",
            *_choose(launcher, num_processes),
        )
        reached = [_best_test_accuracy(folder / "multirun" / str(index)) for index in range(len(runs))]
    return PeerResult(wall_s, tuple(value for value in reached if value is not None))


def time_start_up() -> float:
    """Return seconds to start the application and compose its configuration, nothing launched."""
    return _run_application("--cfg", "job")


def experiment_of(run: Run) -> dict[str, Any]:
    """Return the peer's configuration of a run: as many updates of as many examples, evaluated as often.

    N mod B examples are left out of each epoch, even where the run carries them over: the work is the same.

    Raises
    ------
    ValueError
        If the run has something that the peer doesn't do: timing it would compare different work.
    """
    wanted = {
        "model.kind": (run.model.kind, "mlp"),
        "precision": (run.precision, "float32"),
        "schedule.kind": (run.schedule.kind, "constant"),
        "optimizer.inner_steps": (run.optimizer.inner_steps, 1),
        "optimizer.order": (run.optimizer.order, "shuffled"),
        "data.crop_padding": (run.data.crop_padding, 0),
        "data.flip": (run.data.flip, False),
        "regularizer.estimator": (getattr(run.regularizer, "estimator", "exact"), "exact"),
    }
    for what, (value, supported) in wanted.items():
        if value != supported:
            raise ValueError(f"the peer has no {what}={value!r}, only {supported!r}")
    assert isinstance(run.model, MlpModel)
    regularizer = run.regularizer
    return {
        "seed": run.seed,
        "data": run.data.model_dump(),
        "hidden_widths": list(run.model.hidden_widths),
        "activation": run.model.activation,
        "lr": run.optimizer.lr,
        "batch_size": run.optimizer.batch_size,
        "l2": run.loss.l2,
        "penalty": regularizer.strength if isinstance(regularizer, GradientNormRegularizer) else 0.0,
        "num_updates": run.num_updates,
        "evaluate_every_num_updates": run.evaluate_every_num_updates,
    }


def _choose(launcher: Launcher, num_processes: int) -> list[str]:
    """Return Hydra's overrides that choose a launcher."""
    if launcher == "joblib":
        return ["hydra/launcher=joblib", f"hydra.launcher.n_jobs={num_processes}"]
    return ["hydra/launcher=" + {"basic": "basic", "submitit": "submitit_local"}[launcher]]


def _run_application(*arguments: str) -> float:
    """Return the seconds from starting the application to its end."""
    environment = os.environ | _ONE_THREAD | {"PYTHONPATH": _search_path()}
    command = [sys.executable, str(_APPLICATION), *arguments]
    with tempfile.TemporaryDirectory(prefix="peer-") as here:  # sgdlab's plugin would find ./conf
        start = time.perf_counter()
        finished = subprocess.run(
            command, cwd=here, env=environment, capture_output=True, text=True, check=False
        )
        wall_s = time.perf_counter() - start
    if finished.returncode:
        raise RuntimeError(f"the peer failed:\n{finished.stderr[-3000:]}")
    return wall_s


def _search_path() -> str:
    """Return where Python looks for modules: in the application's folder too, for submitit's processes."""
    return os.pathsep.join(filter(None, [str(_APPLICATION.parent), os.environ.get("PYTHONPATH")]))


def _best_test_accuracy(folder: Path) -> float | None:
    metrics = folder / "metrics.csv"
    if not metrics.exists():
        return None
    with metrics.open(encoding="utf-8") as file:
        return max(float(row["test_accuracy"]) for row in csv.DictReader(file))
