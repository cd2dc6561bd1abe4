"""An attempt of this process, results to publish, and a process that is gone."""

import subprocess
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from sgdlab.runs.attempts import Attempt
from sgdlab.runs.processes import Process
from sgdlab.runs.result import RunResult
from sgdlab.runs.store import Store


@pytest.fixture
def attempt(store: Store) -> Iterator[Attempt]:
    with Attempt.start(store, "session", heartbeat_every_s=60) as attempt:
        yield attempt


@pytest.fixture
def publish(store: Store, attempt: Attempt, make_plan) -> Callable[..., str]:
    """Publish a run of a tiny plan by its place; return its key."""
    plan = make_plan(num_runs=4)

    def publish(place: int, state: str = "done") -> str:
        key, run = list(plan.runs.items())[place]
        config = run.model_dump(mode="json")
        result = RunResult(key, state, config, {"test_accuracy.best": 0.5}, 96, None, {})
        store.publish(attempt, result, {"updates": np.array([0, 96])})
        return key

    publish.keys = list(plan.runs)
    return publish


@pytest.fixture
def gone() -> Process:
    """A process of this machine that has ended."""
    with subprocess.Popen(["sleep", "600"]) as sleeper:
        process = Process.of(sleeper.pid)
        sleeper.kill()
    return process
