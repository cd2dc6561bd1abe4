"""A worker: claims packs of a frozen plan, trains what it wins, and goes on until nothing is left.

Work is pulled: a pack is a proposal, claims are per run, and a worker trains the members that it wins in
their slots of the pack. What others hold it waits for, and takes over should they die. Attempts are counted
before training: a run in a pack that died twice without a word is trained alone from then on, and one that
dies so a third time is failed. An exception in a pack sends its members to be trained alone as well; out of
memory halves the pack.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import torch

from sgdlab.errors import UserError
from sgdlab.launch.pack_training import PackTrainer
from sgdlab.runs.attempts import Attempt
from sgdlab.runs.claims import claim
from sgdlab.runs.observer import Observer
from sgdlab.runs.store import Store
from sgdlab.sweeps.packs import Pack
from sgdlab.sweeps.plan import FrozenPlan

_DEATHS_BEFORE_ALONE = 2
_DEATHS_BEFORE_FAILED = 3
_POLL_S = 0.5


def _no_log(_: Path) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass
class Worker:
    """One worker on one device."""

    plan: FrozenPlan
    store: Store
    session: str  # id of the launching command
    device: torch.device
    stop_requested: Callable[[], bool] = lambda: False
    on_running: Callable[[int], None] = lambda _: None  # runs that train from now on
    on_updates: Callable[[int], None] = lambda _: None  # updates made since the last call
    logging_to: Callable[[Path], AbstractContextManager[None]] = _no_log
    _alone: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._packs = list(self.plan.packs)
        self._observer = Observer(self.store, self.plan.execution.launcher.lease_timeout_s)
        self._trainer = PackTrainer(self.store, self.plan.execution, self.device, self.stop_requested)

    def work(self) -> None:
        """Train until every run of the plan has its outcome, or a stop is requested.

        Raises
        ------
        UserError
            If something is wrong that isn't a run's fault: missing data, a full disk.
        """
        while not self.stop_requested():
            open_packs = [pack for pack in self._packs if not self._is_settled(pack)]
            if not open_packs:
                return
            num_attempts = sum(self._attempt(pack) for pack in open_packs if not self.stop_requested())
            if num_attempts == 0:
                time.sleep(_POLL_S)

    def _is_settled(self, pack: Pack) -> bool:
        return all(self.store.is_settled(key) for key in pack.keys)

    def _attempt(self, pack: Pack) -> bool:
        """Claim and train what can be had of a pack; return whether anything could."""
        free = [
            key for key in pack.keys if not self.store.is_settled(key) and self._observer.holder(key) is None
        ]
        deaths = {key: self._observer.wordless_deaths(key, self.session) for key in free}
        suspects = [key for key in free if key in self._alone or deaths[key] >= _DEATHS_BEFORE_ALONE]
        candidates = suspects[:1] or free
        if not candidates:
            return False
        launcher = self.plan.execution.launcher
        with Attempt.start(self.store, self.session, launcher.heartbeat_every_s) as attempt:
            if suspects and deaths[suspects[0]] >= _DEATHS_BEFORE_FAILED:
                self._give_up(attempt, suspects[0], deaths[suspects[0]])
                return True
            won = {key for key in candidates if claim(self.store, key, attempt, self._observer)}
            if not won:
                return False
            self.on_running(len(won))
            with self.logging_to(attempt.log_path):
                is_finished = self._train(pack, won, attempt)
            self.on_running(0)
            if not is_finished:
                attempt.end("released")
        return True

    def _train(self, pack: Pack, won: set[str], attempt: Attempt) -> bool:
        made = 0

        def report(update: int) -> None:
            nonlocal made
            self.on_updates((update - made) * len(won))
            made = update

        try:
            return self._trainer.train(pack, self.plan.runs, won, attempt, report)
        except UserError:
            raise
        except Exception as error:
            traceback.print_exc()
            if _is_out_of_memory(error) and len(pack.keys) > 1:
                self._halve(pack)
            elif len(won) > 1:
                self._alone |= won
            else:
                text = f"{type(error).__name__}: {error}"
                self.store.record_failure(attempt, next(iter(won)), text, attempt.log_path)
            return False

    def _give_up(self, attempt: Attempt, key: str, num_deaths: int) -> None:
        text = f"the worker died {num_deaths} times without a word while training this run"
        self.store.record_failure(attempt, key, text, attempt.log_path)

    def _halve(self, pack: Pack) -> None:
        middle = len(pack.keys) // 2
        halves = [Pack(pack.shape, keys) for keys in (pack.keys[:middle], pack.keys[middle:])]
        self._packs = [other for other in self._packs if other is not pack] + halves


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
