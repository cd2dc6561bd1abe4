"""A worker: claims packs of a frozen plan, trains what it wins, and goes on until nothing is left.

Work is pulled: a pack is a proposal, claims are per run, and a worker trains the members that it wins. As
they end it fills their slots with waiting runs of the same shape. What others hold it waits for, and takes
over should they die. Attempts are counted before training: a run in a pack that died twice without a word is
trained alone from then on, and one that dies so a third time is failed. An exception in a pack sends its
members to be trained alone as well. Out of memory halves the packs of that shape, and where a run is alone
what is computed at a time of its minibatch. Where a data set is missing the runs on others are trained first.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import torch

from sgdlab.config.datasets import Data
from sgdlab.errors import UserError
from sgdlab.launch.devices import num_workers
from sgdlab.launch.followers import Followers
from sgdlab.launch.pack_training import PackTrainer
from sgdlab.launch.waiting import WaitingRuns
from sgdlab.runs.attempts import Attempt
from sgdlab.runs.claims import claim
from sgdlab.runs.observer import Observer, read_claims
from sgdlab.runs.store import Store
from sgdlab.sweeps.packs import Pack
from sgdlab.sweeps.plan import FrozenPlan
from sgdlab.training.conductor import Progress

_DEATHS_BEFORE_ALONE = 2
_DEATHS_BEFORE_FAILED = 3
_POLL_S = 0.5


def _no_log(_: Path) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass
class Worker:
    """One worker, on one device or leading the followers on several."""

    plan: FrozenPlan
    store: Store
    session: str  # id of the launching command
    device: torch.device
    followers: Followers
    stop_requested: Callable[[], bool] = lambda: False
    on_progress: Callable[[Progress], None] = lambda _: None
    logging_to: Callable[[Path], AbstractContextManager[None]] = _no_log
    _alone: set[str] = field(default_factory=set)
    _missing: dict[Data, str] = field(default_factory=dict)  # data sets that can't be had, and why

    def __post_init__(self) -> None:
        launcher = self.plan.execution.launcher
        self._packs = list(self.plan.packs)
        self._observer = Observer(self.store, launcher.lease_timeout_s)
        self._waiting = WaitingRuns(self.plan, self.store, self._observer, num_workers(launcher))
        self._trainer = PackTrainer(
            self.plan, self.store, self.device, self.stop_requested, self.on_progress, self.followers
        )
        self._widths: dict[str, int] = {}  # shape → slots: the same for all its packs, so that bits are
        for pack in self._packs:
            self._widths[pack.shape] = max(self._widths.get(pack.shape, 0), len(pack.keys))

    def work(self) -> None:
        """Train until every run of the plan has its outcome, or a stop is requested.

        Raises
        ------
        UserError
            If something is wrong that isn't a run's fault: a full disk; or, once nothing else is left to be
            trained, missing data.
        """
        while not self.stop_requested():
            unsettled = [pack for pack in self._packs if not self._is_settled(pack)]
            if not unsettled:
                return
            open_packs = [pack for pack in unsettled if self._data_of(pack) not in self._missing]
            if not open_packs:
                raise UserError("\n".join(dict.fromkeys(self._missing.values())))
            num_attempts = sum(self._attempt(pack) for pack in open_packs if not self.stop_requested())
            if num_attempts == 0:
                time.sleep(_POLL_S)

    def _is_settled(self, pack: Pack) -> bool:
        return all(self.store.is_settled(key) for key in pack.keys)

    def _data_of(self, pack: Pack) -> Data:
        return self.plan.runs[pack.keys[0]].data  # a shape has one

    def _has_data(self, pack: Pack) -> bool:
        """Load the data set of a pack, or learn that it can't be had."""
        try:
            self._trainer.load_data(self.plan.runs[pack.keys[0]])
        except UserError as error:
            self._missing[self._data_of(pack)] = str(error)
            return False
        return True

    def _attempt(self, pack: Pack) -> bool:
        """Claim and train what can be had of a pack; return whether anything could."""
        free = [key for key in pack.keys if self._waiting.is_free(key)]
        suspects = [key for key in free if self._is_suspect(key)]
        candidates = suspects[:1] or free
        if not candidates or not self._has_data(pack):  # nothing is claimed where it is missing
            return False
        launcher = self.plan.execution.launcher
        with Attempt.start(self.store, self.session, launcher.heartbeat_every_s) as attempt:
            if suspects and self._num_deaths(suspects[0]) >= _DEATHS_BEFORE_FAILED:
                self._give_up(attempt, suspects[0])
                return True
            won = self._claim(candidates, attempt)
            if not won:
                return False
            with self.logging_to(attempt.log_path):
                is_finished = self._train(pack.shape, won, attempt, is_alone=bool(suspects))
            self.on_progress(Progress())
            if not is_finished:
                attempt.end("released")
        return True

    def _num_deaths(self, key: str) -> int:
        return self._observer.wordless_deaths(key, self.session)

    def _is_suspect(self, key: str) -> bool:
        return key in self._alone or self._num_deaths(key) >= _DEATHS_BEFORE_ALONE

    def _claim(self, keys: Sequence[str], attempt: Attempt) -> list[str]:
        """Return the runs that were won; none where another worker is claiming the same pack just now."""
        won: list[str] = []
        for key in keys:
            if claim(self.store, key, attempt, self._observer):
                won.append(key)
            elif not won:
                break  # whoever has the first gets the rest: two would train the pack twice, half of it each
        return won

    def _train(self, shape: str, won: Sequence[str], attempt: Attempt, is_alone: bool) -> bool:
        def refill(num_slots: int, num_running: int) -> Sequence[str]:
            return [] if is_alone else self._claim_waiting(shape, attempt, num_slots, num_running)

        width = self._widths[shape]
        self.on_progress(Progress(dict.fromkeys(won, 0)))
        try:
            return self._trainer.train(shape, width, won, attempt, refill)
        except UserError:
            raise
        except Exception as error:
            traceback.print_exc()
            running = [key for key in attempt.claimed if not self.store.is_settled(key)]
            if _is_out_of_memory(error) and self._make_room(shape, running):
                pass  # and begin again
            elif len(running) > 1:
                self._alone.update(running)
            else:
                text = f"{type(error).__name__}: {error}"
                for key in running:
                    self.store.record_failure(attempt, key, text, attempt.log_path)
            return False

    def _claim_waiting(self, shape: str, attempt: Attempt, num_slots: int, num_running: int) -> Sequence[str]:
        """Claim this worker's share of the waiting runs of a shape, but for those that are to be alone."""
        share = self._waiting.share(shape, num_running)
        won: list[str] = []
        for key in share.free:
            if len(won) == min(num_slots, share.num_runs):
                break
            if not self._is_suspect(key) and claim(self.store, key, attempt, self._observer):
                won.append(key)
        return won

    def _give_up(self, attempt: Attempt, key: str) -> None:
        text = f"the worker died {self._num_deaths(key)} times without a word while training this run"
        *_, last = (claim.holder for claim in read_claims(self.store, key) if claim.holder)
        self.store.record_failure(attempt, key, text, self.store.attempt(last.attempt).log_path)

    def _make_room(self, shape: str, running: Sequence[str]) -> bool:
        """Let later attempts at a shape take less memory; False if there is no way."""
        if self._widths[shape] > 1:
            self._halve(shape)
            return True
        return bool(running) and self._trainer.halve_parts(shape, self.plan.runs[running[0]])

    def _halve(self, shape: str) -> None:
        """Make the packs of a shape half as wide."""
        width = self._widths[shape] = (self._widths[shape] + 1) // 2
        self._packs = [
            Pack(pack.shape, pack.keys[start : start + width])
            for pack in self._packs
            for start in range(0, len(pack.keys), width if pack.shape == shape else len(pack.keys))
        ]


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
