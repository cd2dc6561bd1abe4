"""Handing an array of jobs to sbatch, through submitit.

submitit puts the pickled callable where a job expects it only after sbatch has answered. A command that is
killed in between would leave jobs that wait for it in vain; so the callable lies in the folder before, and
each job gives it the expected name itself.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import DelayedSubmission, FailedJobError, FailedSubmissionError

from sgdlab.config.execution import SlurmLauncher
from sgdlab.errors import UserError
from sgdlab.runs.files import naming

_AS_GIVEN = ("partition", "account", "qos", "constraint")
_JOBS_VARIABLES = ("SLURM", "SRUN", "SUBMITIT")
_PICKLE = "job.pkl"
_SIGNAL_BEFORE_END_S = 1  # submitit's own signal: a job stops by its own clock before


class RefusedError(UserError):
    """sbatch refused, or nobody knows whether it did."""


def submit_array(
    folder: Path, job_name: str, launcher: SlurmLauncher, num_jobs: int, code: Path, job: Callable[[], object]
) -> str:
    """Submit `num_jobs` jobs that each call `job`; return Slurm's number of the array.

    Raises
    ------
    RefusedError
        With sbatch's own words.
    """
    try:
        with naming(folder):
            folder.mkdir(parents=True, exist_ok=True)
            DelayedSubmission(job).dump(folder / _PICKLE)
            executor = _executor(folder, launcher.python)
            executor.update_parameters(**_parameters(folder, job_name, launcher, num_jobs, code))
            # submitit prints what it raises as well
            with _outside_of_jobs(), redirect_stderr(StringIO()), executor.batch():
                jobs = [executor.submit(job) for _ in range(num_jobs)]
    except FileNotFoundError as error:
        raise RefusedError("sbatch isn't there: launcher=slurm needs a machine of the cluster") from error
    except (FailedJobError, FailedSubmissionError) as error:
        raise RefusedError(f"sbatch refused: {_last_words(error)}") from error
    return str(jobs[0].job_id).partition("_")[0]


def _executor(folder: Path, python: str | None) -> submitit.SlurmExecutor:
    try:
        return submitit.SlurmExecutor(folder, python=python)
    except RuntimeError as error:
        raise RefusedError("srun isn't there: launcher=slurm needs a machine of the cluster") from error


@contextmanager
def _outside_of_jobs() -> Iterator[None]:
    """Hide the job that this process is in, if any: the new one would take its variables for its own."""
    hidden = {}
    if "SLURM_JOB_ID" in os.environ:
        hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(_JOBS_VARIABLES)}
    try:
        if conf := hidden.get("SLURM_CONF"):
            os.environ["SLURM_CONF"] = conf
        yield
    finally:
        os.environ.update(hidden)


def _parameters(
    folder: Path, job_name: str, launcher: SlurmLauncher, num_jobs: int, code: Path
) -> dict[str, Any]:
    num_cpus = launcher.cpus_per_job or launcher.workers_per_job
    options = {"requeue": True, **launcher.sbatch}
    parameters: dict[str, Any] = {
        "job_name": job_name,
        "time": launcher.wall_time_min,
        "nodes": 1,
        "ntasks_per_node": 1,
        "cpus_per_task": num_cpus,
        "srun_args": [f"--cpus-per-task={num_cpus}"],  # srun no longer takes it from the job by itself
        "array_parallelism": num_jobs,
        "stderr_to_stdout": True,
        "signal_delay_s": _SIGNAL_BEFORE_END_S,
        "setup": [*launcher.setup, *_setup(folder, code)],
        "additional_parameters": {name: value for name, value in options.items() if value is not False},
    }
    if launcher.gpus_per_job:
        parameters["gpus_per_node"] = launcher.gpus_per_job
    if launcher.memory_gb is not None:
        parameters["mem"] = f"{round(1024 * launcher.memory_gb)}MB"
    chosen = {name: getattr(launcher, name) for name in _AS_GIVEN}
    return parameters | {name: value for name, value in chosen.items() if value is not None}


def _setup(folder: Path, code: Path) -> list[str]:
    """Return the shell lines that put the callable where the job looks for it, and the code on the path."""
    quoted = shlex.quote(str(folder))
    array = "${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}}"
    return [
        f"job={array}; job=${{job:-$SLURM_JOB_ID}}",
        f'ln {quoted}/{_PICKLE} {quoted}/"$job"_submitted.pkl 2>/dev/null || true',
        f"export PYTHONPATH={shlex.quote(str(code))}${{PYTHONPATH:+:$PYTHONPATH}}",
        "export PYTHONSAFEPATH=1",  # or `python -m` would take a package in the working folder before it
    ]


def _last_words(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return f"it says nothing, exit code {getattr(error.__cause__, 'returncode', None)}"
    words = [line for line in lines if "sbatch" in line or "error" in line.lower()] or lines
    return words[-1].removeprefix("sbatch: error: ")
