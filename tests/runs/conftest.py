"""A store, runs to put in it, and processes that die on the spot."""

import json
import os
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sgdlab.config.components import (
    ConstantSchedule,
    CrossEntropyLoss,
    NoRegularizer,
    SgdOptimizer,
    UpdateBudget,
    UpdateEvaluation,
)
from sgdlab.config.datasets import DigitsData
from sgdlab.config.identity import key_of, normalize
from sgdlab.config.models import MlpModel
from sgdlab.config.schema import Run
from sgdlab.runs.attempt_folder import Holder
from sgdlab.runs.attempts import Attempt
from sgdlab.runs.processes import Process
from sgdlab.runs.result import RunResult
from sgdlab.runs.store import Store

KILLED = 77  # the exit status of a child that was made to die
CURVES = {"updates": np.array([0, 50, 100]), "test_accuracy": np.array([0.1, 0.5, np.nan])}


@pytest.fixture
def store(tmp_path) -> Store:
    store = Store(tmp_path / "store")
    store.open_for_writing()
    return store


@pytest.fixture
def attempt(store):
    with Attempt.start(store, "session", heartbeat_every_s=60) as attempt:
        yield attempt


@pytest.fixture
def curves() -> dict[str, np.ndarray]:
    return dict(CURVES)


@pytest.fixture(scope="session")
def make_result() -> Callable[..., RunResult]:
    """Make the result of a small run; keyword arguments change the run's optimizer."""

    def make(seed: int = 0, accuracy: float = 0.5, **optimizer) -> RunResult:
        run = normalize(
            Run(
                seed=seed,
                data=DigitsData(),
                model=MlpModel(hidden_widths=(8, 8)),
                loss=CrossEntropyLoss(),
                regularizer=NoRegularizer(),
                optimizer=SgdOptimizer(**{"lr": 0.125, "batch_size": 8, **optimizer}),
                schedule=ConstantSchedule(),
                budget=UpdateBudget(num_updates=100),
                evaluation=UpdateEvaluation(every_num_updates=50),
            )
        )
        return RunResult(
            key=key_of(run),
            state="done",
            config=run.model_dump(mode="json"),
            summary={"test_accuracy.best": accuracy, "c_reg.final": None},
            num_updates=100,
            diverged_at=None,
            provenance={
                "device": "cpu",
                "pack_width": 8,
                "shape": "mlp 64-8-8-10, B 8",
                "seconds_per_update": 0.5,
            },
        )

    return make


@pytest.fixture
def in_child() -> Callable[..., int]:
    """Run a function in a forked process, dying before its `die_at`-th file operation; return its status.

    An operation is whatever Python's audit hooks report of the main thread: opening, linking, renaming,
    making and removing files and folders.
    """

    def run(function: Callable[[], None], die_at: int | None = None) -> int:
        child = os.fork()
        if child:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        try:
            if die_at is not None:
                _die_at_operation(die_at)
            function()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    return run


def _die_at_operation(die_at: int) -> None:
    count = 0

    def hook(event: str, arguments: tuple) -> None:
        nonlocal count
        if event not in ("open", "os.link", "os.rename", "os.remove", "os.mkdir", "os.rmdir"):
            return
        if threading.current_thread() is threading.main_thread():
            count += 1
            if count == die_at:
                os._exit(KILLED)

    sys.addaudithook(hook)


@pytest.fixture
def leave_claim(store) -> Callable[..., Holder]:
    """Leave a claim behind, with its attempt, as a process of another machine that says nothing more."""

    def leave(key: str, number: int = 1, session: str = "session", num_updates: int | None = None) -> Holder:
        holder = Holder(f"{key[:4]}-{number}", session, Process("elsewhere", "another boot", 1, 1))
        folder = store.attempt(holder.attempt)
        folder.path.mkdir()
        folder.holder_path.write_bytes(holder.to_json())
        folder.claimed_path.write_text(f"{key}\n")
        folder.heartbeat_path.write_text("1\n")
        if num_updates is not None:
            folder.progress_path.write_text(json.dumps({key: num_updates, "another": 10**6}))
        store.run_folder(key).mkdir(parents=True, exist_ok=True)
        (store.run_folder(key) / f"claim.{number}").write_bytes(holder.to_json())
        return holder

    return leave


@pytest.fixture
def names_in() -> Callable[[Path], list[str]]:
    """List the names in a folder."""
    return lambda folder: sorted(path.name for path in folder.iterdir())
