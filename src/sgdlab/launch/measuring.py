"""Measure steps on the device that would train them, in a process of its own, which imports torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from sgdlab.config.execution import Execution, SlurmLauncher
from sgdlab.config.shapes import describe_step
from sgdlab.errors import UsageError, UserError
from sgdlab.launch.devices import bytes_per_worker, training_device
from sgdlab.launch.local import single_threaded
from sgdlab.runs.index import Index
from sgdlab.runs.store import Store
from sgdlab.sweeps.cost import CostModel
from sgdlab.sweeps.forecast import Unmeasured


def known_costs(execution: Execution, store: Store) -> CostModel:
    """Return what steps cost on the device that this command would train on, as far as it is known."""
    launcher = execution.launcher
    with Index(store) as index:
        finished = index.speeds()
    return CostModel(
        training_device(launcher),
        bytes_per_worker(launcher),
        launcher.backend,
        finished,
        launcher.examples_per_pass,
    )


def measure_steps(
    steps: Sequence[Unmeasured], execution: Execution, on_progress: Callable[[str], None]
) -> None:
    """Measure these steps and write down what was found; `on_progress` is told of each as it begins.

    Raises
    ------
    UserError
        If a step can't be measured; what was measured before it is kept.
    """
    launcher = execution.launcher
    if isinstance(launcher, SlurmLauncher) and launcher.trains_on_gpus:
        raise UsageError(
            "the GPUs of Slurm jobs can't be measured from here: on such a node, `sgdlab plan … --measure` "
            "with launcher=local does it; launcher.gpu_name=… then says which GPU a plan is for"
        )
    if launcher.devices_per_run > 1:
        raise UsageError(
            "steps are measured on one device only; with "
            f"launcher.devices_per_run={launcher.devices_per_run} what they cost is known from finished runs"
        )
    task = {
        "device": training_device(launcher).kind,
        "backend": launcher.backend,
        "num_bytes": bytes_per_worker(launcher),
        "examples_per_pass": launcher.examples_per_pass,
        "steps": [{"run": step.run.model_dump(mode="json"), "num_runs": step.num_runs} for step in steps],
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "sgdlab.launch.measure_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=single_threaded(os.environ),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        process.stdin.write(json.dumps(task))
        process.stdin.close()
        for line in process.stdout:
            place = int(line)
            on_progress(f"measuring {place + 1} of {len(steps)}: {describe_step(steps[place].run)}")
        last_words = process.stderr.read().strip().splitlines()[-1:]
    if process.returncode:
        raise UserError(f"measuring failed: {''.join(last_words) or f'exit code {process.returncode}'}")
