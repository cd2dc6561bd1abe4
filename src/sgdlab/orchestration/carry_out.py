"""Have runs trained, by the launcher that was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sgdlab.config.execution import Execution, SlurmLauncher
from sgdlab.launch.slurm.submission import Then
from sgdlab.orchestration.live_run import train_with_view
from sgdlab.runs.store import Store
from sgdlab.sweeps.survey import Survey
from sgdlab.tracking.contexts import SweepContext


def carry_out(
    names: Sequence[str],
    survey: Survey,
    contexts: Mapping[str, SweepContext],
    execution: Execution,
    store: Store,
    then: Then | None = None,
) -> bool:
    """Train what a survey found missing while a person watches, or submit it; False if only submitted.

    Of jobs, the last one calls `then`. Raises as `train_with_view` and `submit_with_words` do.
    """
    if isinstance(execution.launcher, SlurmLauncher):
        from sgdlab.orchestration.submitting import submit_with_words  # submitit: not everyone has a cluster

        submit_with_words(names, survey, contexts, execution, store, then)
        return False
    train_with_view(names, survey, contexts, execution, store)
    return True
