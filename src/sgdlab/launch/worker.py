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
from sgdlab.runs.claims import claim, latest_checkpoint
from sgdlab.runs.observer import Observer, read_claims
from sgdlab.runs.store import Store
from sgdlab.sweeps.packs import Pack
from sgdlab.sweeps.plan import FrozenPlan

_DEATHS_BEFORE_ALONE = 2
_DEATHS_BEFORE_FAILED = 3
_POLL_S = 0.5


def _no_log(_: Path) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True)
class Progress:
    """How far the runs that a worker trains have come; all zero between packs."""

    num_running: int = 0
    position: int = 0  # updates that each of them is at
    num_made: int = 0  # updates made since the last word, over all of them


@dataclass
class Worker:
    """One worker on one device."""

    plan: FrozenPlan
    store: Store
    session: str  # id of the launching command
    device: torch.device
    stop_requested: Callable[[], bool] = lambda: False
    on_progress: Callable[[Progress], None] = lambda _: None
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
        candidates = suspects[:1] or self._of_one_history(free)
        if not candidates:
            return False
        self._trainer.load_data(self.plan.runs[candidates[0]])  # nothing is claimed where it is missing
        launcher = self.plan.execution.launcher
        with Attempt.start(self.store, self.session, launcher.heartbeat_every_s) as attempt:
            if suspects and deaths[suspects[0]] >= _DEATHS_BEFORE_FAILED:
                self._give_up(attempt, suspects[0], deaths[suspects[0]])
                return True
            won = self._claim(candidates, attempt)
            if not won:
                return False
            with self.logging_to(attempt.log_path):
                is_finished = self._train(pack, won, attempt)
            self.on_progress(Progress())
            if not is_finished:
                attempt.end("released")
        return True

    def _of_one_history(self, keys: list[str]) -> list[str]:
        """Return the runs that can go on together: those with the same latest checkpoint as the first."""
        checkpoints = {key: latest_checkpoint(self.store, key) for key in keys}
        attempts = {key: checkpoint and checkpoint.attempt for key, checkpoint in checkpoints.items()}
        return [key for key in keys if attempts[key] == attempts[keys[0]]]

    def _claim(self, keys: list[str], attempt: Attempt) -> set[str]:
        """Return the runs that were won; none where another worker is claiming the same pack just now."""
        won: set[str] = set()
        for key in keys:
            if claim(self.store, key, attempt, self._observer):
                won.add(key)
            elif not won:
                break  # whoever has the first gets the rest: two would train the pack twice, half of it each
        return won

    def _train(self, pack: Pack, won: set[str], attempt: Attempt) -> bool:
        last: int | None = None  # the first word says where training starts: further on after a checkpoint

        def report(position: int) -> None:
            nonlocal last
            num_made = 0 if last is None else (position - last) * len(won)
            last = position
            self.on_progress(Progress(len(won), position, num_made))

        self.on_progress(Progress(len(won)))
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
        *_, last = (claim.holder for claim in read_claims(self.store, key) if claim.holder)
        self.store.record_failure(attempt, key, text, self.store.attempt(last.attempt).log_path)

    def _halve(self, pack: Pack) -> None:
        middle = len(pack.keys) // 2
        halves = [Pack(pack.shape, keys) for keys in (pack.keys[:middle], pack.keys[middle:])]
        self._packs = [other for other in self._packs if other is not pack] + halves


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
