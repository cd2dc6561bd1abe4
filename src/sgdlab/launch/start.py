"""Before and after a pool works: the frozen plan of what is missing, and the traces of the killed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress

from sgdlab.config.execution import Execution
from sgdlab.launch.devices import num_workers
from sgdlab.runs.cleaning import remove_spent_attempts
from sgdlab.runs.files import StoreError
from sgdlab.runs.observer import Observer
from sgdlab.runs.store import Store
from sgdlab.sweeps.cost import CostModel
from sgdlab.sweeps.plan import FrozenPlan, freeze
from sgdlab.sweeps.survey import Survey


def freeze_missing(
    survey: Survey, sweeps: Sequence[str], execution: Execution, store: Store, costs: CostModel
) -> FrozenPlan:
    """Write the plan for what a survey found missing, or find the unfinished one of the same command.

    Raises
    ------
    UserError
        If the store can't be written.
    """
    store.open_for_writing()
    workers = num_workers(execution.launcher)
    folder = store.root / "plans"
    return freeze(folder, sweeps, execution, survey.wanted, survey.missing, workers, costs)


def clear_up(store: Store) -> None:
    """Remove what killed workers have left and nobody needs; a store that can't be written stays as it is."""
    with suppress(StoreError):
        remove_spent_attempts(store, Observer(store, lease_timeout_s=math.inf))
