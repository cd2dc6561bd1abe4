"""A plan of tiny runs, and a worker of this process that trains it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch

from sgdlab.config.components import (
    ConstantSchedule,
    CrossEntropyLoss,
    NoRegularizer,
    SgdOptimizer,
    UpdateBudget,
    UpdateEvaluation,
)
from sgdlab.config.datasets import DigitsData
from sgdlab.config.execution import Execution, Folders, LocalLauncher
from sgdlab.config.identity import key_of_normalized, normalize
from sgdlab.config.models import MlpModel
from sgdlab.config.schema import Run
from sgdlab.launch.followers import Followers
from sgdlab.launch.worker import Worker
from sgdlab.runs.store import Store
from sgdlab.sweeps.plan import FrozenPlan, freeze

# Found by every Python process that has its folder on PYTHONPATH.
_POISON = """
import ctypes, importlib.abc, importlib.util, os, sys

class Poison(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "sgdlab.training.population":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (load(module), poison(module.Population))
        return spec

def poison(Population):
    true = Population._advance
    def _advance(self):
        seeds = {member.run.seed for member in self.members if member.update >= 32}
        for seed, harm in HARMS.items():
            if seed in seeds:
                exec(harm)
        true(self)
    Population._advance = _advance

sys.meta_path.insert(0, Poison())
"""


@pytest.fixture
def poison(tmp_path: Path) -> Callable[[Mapping[int, str]], str]:
    """Given a statement for some seeds, return a PYTHONPATH by which it is executed when these train."""

    def make(harms: Mapping[int, str]) -> str:
        folder = tmp_path / "poison"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(f"HARMS = {dict(harms)}\n{_POISON}")
        return os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])

    return make


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.open_for_writing()
    return store


@pytest.fixture
def make_plan(store: Store, tmp_path: Path) -> Callable[..., FrozenPlan]:
    """Freeze a plan of one shape; `lr` and keyword arguments of the launcher vary, seeds count up.

    `budgets` are the numbers of updates, one a run.
    """

    def make(
        num_runs: int = 4,
        num_updates: int = 96,
        lr: float = 0.125,
        data=None,
        budgets: Sequence[int] = (),
        num_workers: int = 1,
        **launcher,
    ) -> FrozenPlan:
        runs = {}
        for seed, budget in enumerate(budgets or [num_updates] * num_runs):
            run = normalize(
                Run(
                    seed=seed,
                    data=data or DigitsData(num_train=64, num_test=50),
                    model=MlpModel(hidden_widths=(8,)),
                    loss=CrossEntropyLoss(),
                    regularizer=NoRegularizer(),
                    optimizer=SgdOptimizer(lr=lr, batch_size=8),
                    schedule=ConstantSchedule(),
                    budget=UpdateBudget(num_updates=budget),
                    evaluation=UpdateEvaluation(every_num_updates=32),
                )
            )
            runs[key_of_normalized(run)] = run
        execution = Execution(
            # one backend, or what a trial measures would decide whether a checkpoint can be gone on from
            launcher=LocalLauncher(num_workers=num_workers, **{"backend": "batched", **launcher}),
            folders=Folders(store=store.root, data=tmp_path / "data"),
        )
        return freeze(tmp_path / "plans", ["test"], execution, runs, runs, 1)

    return make


@pytest.fixture
def make_worker(store: Store) -> Iterator[Callable[..., Worker]]:
    with ExitStack() as stack:

        def make(plan: FrozenPlan, session: str = "session", **options) -> Worker:
            execution = plan.execution
            followers = Followers("cpu", execution.launcher.devices_per_run, execution.folders.data)
            return Worker(
                plan, store, session, torch.device("cpu"), stack.enter_context(followers), **options
            )

        yield make


@pytest.fixture
def bits_of(store: Store) -> Callable[[str], dict[str, bytes]]:
    """The curves of a published run, to the bit."""
    return lambda key: {name: values.tobytes() for name, values in store.read_curves(key).items()}
