"""Reads the state of sweeps again and again: the dashboard's and the terminal's view of what goes on now.

The store isn't written, and torch isn't imported. All run folders are looked at now and then only; between,
a few small files a worker are: what journals append, attempts that go on, and failed runs. So what comes by
other ways than a worker's (`sgdlab extend`, a deleted folder) is seen at the next full look.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Literal, Self

from sgdlab.launch.live.attempts import AttemptSeen, AttemptsWatch
from sgdlab.launch.live.counting import Held, SweepCount
from sgdlab.launch.live.failures import FailuresWatch
from sgdlab.launch.live.outcomes import Outcomes, SweepLook
from sgdlab.launch.live.state import LiveState, RunEnd, RunState, WorkerState
from sgdlab.launch.slurm.overview import Jobs, look_at_jobs
from sgdlab.runs.journal import Entry, Event
from sgdlab.runs.sightings import remembering_observer
from sgdlab.runs.store import Store
from sgdlab.sweeps.standing import SILENT_AFTER_S, damage_of

_LOOK_EVERY_S = 60.0
_SHARE_OF_LOOKING = 0.05  # of the time, at most, goes into full looks
_NUM_ENDS = 200
_ORDER = ("running", "unknown", "failed", "damaged", "interrupted", "waiting", "diverged", "done")


class LiveReader:
    """Reads one store; to be used in a `with` block, by one thread at a time.

    Parameters
    ----------
    store
        The store.
    look
        Takes a full look at the sweeps that are watched, as they are now.
    """

    def __init__(
        self,
        store: Store,
        look: Callable[[], Sequence[SweepLook]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store, self._look, self._clock = store, look, clock
        self._stack = ExitStack()
        self._outcomes = Outcomes(store)
        self._failures = FailuresWatch(store)
        self._counts: list[SweepCount] = []
        self._together = SweepCount("all", {})
        self._damages: tuple[str, ...] = ()
        self._ends: list[RunEnd] = []
        self._held = Held({}, {}, {}, {})
        self._next_look = float("-inf")

    def __enter__(self) -> Self:
        observer = self._stack.enter_context(remembering_observer(self.store, SILENT_AFTER_S))
        self._attempts = AttemptsWatch(self.store, observer)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def look_anew(self) -> None:
        """Have the next `read` look at all run folders."""
        self._next_look = float("-inf")

    def read(self) -> LiveState:
        """Return what is known now.

        Raises
        ------
        UserError
            If the store can't be read, or a sweep file isn't right any more.
        """
        if self._clock() >= self._next_look:
            self._take_full_look()
        attempts = self._attempts.look()
        entries = self._outcomes.follow()
        states = self._outcomes.states
        cleared = self._failures.look([key for key, state in states.items() if state == "failed"])
        self._outcomes.ask_disk(cleared)
        changed = {*(entry.event.key for entry in entries), *cleared}
        for count in (*self._counts, self._together):
            count.forget(changed)
        self._note_ends(entries)
        held = self._held = Held.by(attempts, states)
        return LiveState(
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            store=str(self.store.root),
            sweeps=tuple(count.state(states, held) for count in self._counts),
            together=self._together.state(states, held),
            workers=tuple(self._workers(attempts, held)),
            failures=tuple(self._failures.groups(self._titles_of)),
            damages=self._damages,
            ends=tuple(self._ends),
        )

    def runs_of(self, title: str) -> list[RunState]:
        """Return the runs of a sweep as the latest `read` has seen them; another thread may ask.

        Those in training first, and those that are done last.
        """
        count = next((count for count in self._counts if count.title == title), self._together)
        runs = [self._run(key, total) for key, total in count.num_updates.items()]
        return sorted(runs, key=lambda run: _ORDER.index(run.state))

    def jobs(self) -> Jobs:
        """Return what has become of the Slurm jobs of these sweeps; another thread may ask.

        Slurm is asked at most once in ten seconds, and takes up to half a minute where it doesn't answer.

        Raises
        ------
        UserError
            If a submission can't be read.
        """
        together, titles = self._together, [count.title for count in self._counts]
        is_work_left = any(state in ("missing", "claimed") for state in [*self._outcomes.states.values()])
        return look_at_jobs(self.store, titles, together.num_updates, is_work_left)

    def _take_full_look(self) -> None:
        began = self._clock()
        looks = self._look()
        self._outcomes.take_over(looks)
        self._counts = [SweepCount(look.title, look.num_updates, look.problem) for look in looks]
        every = {key: updates for look in looks if look.census for key, updates in look.num_updates.items()}
        self._together = SweepCount("all", every)
        damaged = dict.fromkeys(key for look in looks if look.census for key in look.census.damaged)
        self._damages = tuple(damage_of(key, self.store) for key in damaged)
        now = self._clock()
        self._next_look = now + max(_LOOK_EVERY_S, (now - began) / _SHARE_OF_LOOKING)

    def _workers(self, attempts: Sequence[AttemptSeen], held: Held) -> Iterator[WorkerState]:
        states = self._outcomes.states
        for seen in attempts:
            own = [key for key in seen.keys if states.get(key) in ("missing", "claimed")]
            if seen.state == "ended" or (seen.state == "died" and not set(own) - set(held.running)):
                continue  # somebody else has taken up what it left
            if not own:
                continue  # about to end, or at runs of sweeps that aren't watched
            news, process = seen.news, seen.holder.process
            yield WorkerState(
                attempt=seen.id,
                state=seen.state,
                host=process.host,
                pid=process.pid,
                device=news.device if news else None,
                gpu=news.gpu if news else None,
                job=news.job if news else None,
                since=_began(seen.id),
                silent_s=seen.silent_s,
                updates_of={key: seen.progress.get(key, 0) for key in own},
                updates_per_s=news.updates_per_s if news and seen.state == "training" else None,
                sweeps=self._titles_of(own),
                log=seen.log,
            )

    def _run(self, key: str, total: int) -> RunState:
        held, state = self._held, self._outcomes.states.get(key, "missing")
        if state in ("done", "diverged"):
            return RunState(key, state, total, total, None)
        if state in ("failed", "damaged"):
            return RunState(key, state, 0, total, None)
        holder = held.running.get(key) or held.unknown.get(key)
        at_rest = "interrupted" if state == "claimed" else "waiting"
        word = "running" if key in held.running else "unknown" if holder else at_rest
        return RunState(key, word, held.updates_of.get(key, 0), total, holder.id if holder else None)

    def _note_ends(self, entries: Iterable[Entry]) -> None:
        ends = [end for entry in entries if (end := self._end(entry.event)) is not None]
        latest = sorted([*self._ends, *ends], key=lambda end: end.at, reverse=True)
        self._ends = latest[:_NUM_ENDS]

    def _end(self, event: Event) -> RunEnd | None:
        """Return how a watched run has ended; None of other events."""
        if event.key not in self._outcomes.states or event.kind not in ("published", "failed"):
            return None
        state = event.detail.get("state")
        outcome: Literal["done", "diverged", "failed"] = "diverged" if state == "diverged" else "done"
        if event.kind == "failed":
            outcome = "failed"
        return RunEnd(
            event.key, outcome, event.at, self._titles_of([event.key]), str(event.detail.get("error", ""))
        )

    def _titles_of(self, keys: Iterable[str]) -> tuple[str, ...]:
        """Return the sweeps that want one of these runs."""
        wanted = set(keys)
        return tuple(count.title for count in self._counts if not wanted.isdisjoint(count.num_updates))


def _began(attempt: str) -> str:
    """Return when an attempt began, by its own clock: its name begins with that."""
    try:
        return (
            datetime.strptime(attempt.rpartition("-")[0], "%Y%m%dT%H%M%S.%f")
            .replace(tzinfo=UTC)
            .isoformat(timespec="seconds")
        )
    except ValueError:
        return ""
