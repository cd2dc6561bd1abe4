"""What keys ask for beyond looking: the same functions that `sgdlab retry` and `sgdlab cancel` call."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from sgdlab.launch.live.state import FailureGroup
from sgdlab.launch.slurm.cancel import cancel
from sgdlab.runs.retrying import clear_failed
from sgdlab.runs.store import Store
from sgdlab.watch.words import count_of


@dataclass(frozen=True)
class Action:
    """Something to be asked about, and then to be done by a thread."""

    question: str
    under_way: str
    act: Callable[[], str]  # says what was done; raises as its function does


def retrying(store: Store, group: FailureGroup) -> Action:
    """Have the runs that failed with one error trained again; `act` raises as `clear_failed` does."""

    def act() -> str:
        cleared = clear_failed(store, group.keys, group.error)
        return (
            f"{count_of(len(cleared), 'failed run')} cleared; workers that go on, or `sgdlab run`, train them"
        )

    runs = count_of(len(group.keys), "run")
    return Action(
        f"Train {runs} again that failed with this error?\n\n{group.error[:300]}", f"clearing {runs} …", act
    )


def cancelling(store: Store, titles: Collection[str]) -> Action:
    """Cancel the Slurm jobs of sweeps; `act` raises as `cancel` does."""

    def act() -> str:
        cancelled = cancel(store, titles)
        if not cancelled:
            return "nothing was cancelled: there are no jobs that only these sweeps want"
        names = ", ".join(submission.job_id() or submission.job_name for submission in cancelled)
        return f"cancelled {names}; `sgdlab run` goes on where they were"

    named = "\n".join(f"  {title}" for title in sorted(titles))
    question = f"Cancel the Slurm jobs of these sweeps? What is trained stays.\n\n{named}"
    return Action(question, "cancelling …", act)
