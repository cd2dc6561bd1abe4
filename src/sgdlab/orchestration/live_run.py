"""Train what is missing while a person watches, and hand finished runs to the tracker as they come."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from sgdlab.config.execution import Execution, LocalLauncher, WandbTracker
from sgdlab.errors import UserError
from sgdlab.launch.devices import num_workers
from sgdlab.launch.local import LocalPool, PoolStatus
from sgdlab.launch.measuring import known_costs
from sgdlab.launch.start import clear_up, freeze_missing
from sgdlab.orchestration.expectation import announce, compare
from sgdlab.orchestration.progress import ProgressView, Snapshot
from sgdlab.runs.store import Store
from sgdlab.sweeps.plan import estimate_missing
from sgdlab.sweeps.survey import Survey
from sgdlab.tracking.contexts import SweepContext
from sgdlab.tracking.staging import exported_keys
from sgdlab.tracking.stored_runs import export_stored

_LOOK_EVERY_S = 1.0


def train_with_view(
    names: Sequence[str],
    survey: Survey,
    contexts: Mapping[str, SweepContext],
    execution: Execution,
    store: Store,
) -> None:
    """Train what the survey found missing; show progress; export every published run to the tracker, once.

    `contexts` says of each key where W&B shows it. Raises as `freeze_missing`, `LocalPool.run` and
    `export_run` do.
    """
    watcher = _Watcher(survey, execution, store, contexts)
    if survey.missing:
        launcher = execution.launcher
        assert isinstance(launcher, LocalLauncher)
        costs = known_costs(execution, store)
        plan = freeze_missing(survey, names, execution, store, costs)
        expected = estimate_missing(plan, survey.missing, num_workers(launcher), costs)
        announce(expected, survey.missing.values(), costs.device)
        started = time.monotonic()
        with ProgressView(", ".join(names)) as view:
            LocalPool(plan, store, launcher, lambda status: watcher.look(status, view)).run()
            watcher.look_again(view)
        compare(expected, time.monotonic() - started)
    clear_up(store)
    watcher.export_rest()


class _Watcher:
    """Follows the store while a pool works."""

    def __init__(
        self, survey: Survey, execution: Execution, store: Store, contexts: Mapping[str, SweepContext]
    ) -> None:
        self._survey, self._store, self._tracker = survey, store, execution.tracker
        self._contexts = contexts
        self._pending = set(survey.missing)  # without an outcome
        self._num_updates_pending = survey.num_updates_missing
        self._num_diverged = self._num_failed = 0
        self._status = PoolStatus()
        self._looked = 0.0
        self._num_ended = 0  # when it looked
        self._unexported: list[str] = []
        self._export_failed = False
        if isinstance(self._tracker, WandbTracker):
            exported = exported_keys(self._tracker)
            self._unexported = [key for key in survey.stored if key not in exported]

    def look(self, status: PoolStatus, view: ProgressView) -> None:
        """Take in what the pool says; ask the store once a second and as runs end; export one run."""
        self._status = status
        if len(status.ended) != self._num_ended or time.monotonic() - self._looked > _LOOK_EVERY_S:
            self._take_in_outcomes()
            self._looked, self._num_ended = time.monotonic(), len(status.ended)
        view.update(self._snapshot())
        if self._unexported and not self._export_failed:
            try:
                self._export(self._unexported[-1])
                self._unexported.pop()
            except (
                UserError
            ):  # training goes on: `export_rest` tries again at its end, and says what is wrong
                self._export_failed = True

    def look_again(self, view: ProgressView) -> None:
        """Show the last state, after the pool has ended."""
        self._take_in_outcomes()
        self._status.num_running = self._status.num_updates_of_running = 0
        view.update(self._snapshot())

    def export_rest(self) -> None:
        """Export what is left."""
        while self._unexported:
            self._export(self._unexported.pop())

    def _take_in_outcomes(self) -> None:
        for key, state in self._store.state_on_disk(self._pending).items():
            if state == "failed":
                self._num_failed += 1
            elif state == "published":
                self._num_diverged += self._store.read_result(key).state == "diverged"
                if isinstance(self._tracker, WandbTracker):
                    self._unexported.append(key)
            else:
                continue
            self._pending.discard(key)
            self._num_updates_pending -= self._survey.missing[key].num_updates

    def _snapshot(self) -> Snapshot:
        stored = [run.state for run in self._survey.stored.values()]
        num_settled = len(self._survey.missing) - len(self._pending)
        # What is left counts from the runs without an outcome, so that the end is 100 %: a diverged run makes
        # fewer updates than planned, one from a checkpoint made some before, one that failed may repeat some.
        num_updates_left = max(0, self._num_updates_pending - self._status.num_updates_of_running)
        return Snapshot(
            num_runs=len(self._survey.wanted),
            num_done=stored.count("done") + num_settled - self._num_diverged - self._num_failed,
            num_running=self._status.num_running,
            num_diverged=stored.count("diverged") + self._num_diverged,
            num_failed=len(self._survey.failed) + self._num_failed,
            updates_done=self._status.num_updates,
            updates_total=self._status.num_updates + num_updates_left,
            elapsed_s=self._status.elapsed_s,
            num_workers=self._status.num_workers,
        )

    def _export(self, key: str) -> None:
        assert isinstance(self._tracker, WandbTracker)
        export_stored(key, self._store, self._contexts[key], self._tracker)
