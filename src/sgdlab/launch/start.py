"""From a survey to trained runs: freeze the plan, start the pool."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress

from sgdlab.config.execution import Execution
from sgdlab.launch.devices import num_workers
from sgdlab.launch.local import LocalPool, PoolStatus
from sgdlab.runs.cleaning import remove_spent_attempts
from sgdlab.runs.files import StoreError
from sgdlab.runs.observer import Observer
from sgdlab.runs.store import Store
from sgdlab.sweeps.plan import freeze
from sgdlab.sweeps.survey import Survey


def train_missing(
    survey: Survey,
    sweeps: Sequence[str],
    execution: Execution,
    store: Store,
    on_status: Callable[[PoolStatus], None],
) -> None:
    """Train what a survey found missing; returns when every run has its outcome.

    Raises
    ------
    UserError
        If something is wrong that isn't a run's fault: an unwritable store, missing data, a full disk.
    """
    store.open_for_writing()
    folder = store.root / "plans"
    plan = freeze(folder, sweeps, execution, survey.wanted, survey.missing, num_workers(execution.launcher))
    LocalPool(plan, store, on_status).run()


def clear_up(store: Store) -> None:
    """Remove what killed workers have left and nobody needs; a store that can't be written stays as it is."""
    with suppress(StoreError):
        remove_spent_attempts(store, Observer(store, lease_timeout_s=math.inf))
