"""What has changed in a sweep's runs since a page took them in: ten thousand rows are sent once."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from sgdlab.dashboard.runs_table import row_of
from sgdlab.dashboard.snapshots import Snapshot
from sgdlab.dashboard.tables import Row
from sgdlab.launch.live.state import RunState

_IN_HAND = ("running", "unknown", "interrupted")


@dataclass(frozen=True)
class RunsNews:
    """What is new in a table of runs."""

    rows: list[Row]
    is_whole: bool  # all rows, not only those that changed
    version: str  # for the page to remember


class RunsFeed:
    """The rows of each sweep, and which revision brought each; may be asked by several threads."""

    def __init__(self) -> None:
        self._session = secrets.token_hex(4)  # a page that outlives a server must not take one for the other
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def news(self, snapshot: Snapshot, live: Mapping[str, RunState], taken_in: str | None) -> RunsNews | None:
        """Return the rows that changed since a version; all of them without one; None if there are none.

        `live` is key → the state of the run now; what it doesn't have is as the snapshot has it.
        """
        if snapshot.sweep is None:
            return None
        with self._lock:
            kept = self._kept.setdefault(snapshot.name, _Kept())
            kept.take_in(snapshot, live)
            session, _, revision = (taken_in or "").partition(".")
            after = int(revision) if session == self._session and revision.isdecimal() else 0
            is_whole = after < kept.whole_since
            if not is_whole and after == kept.revision:
                return None
            rows = [
                row_of(place, run, snapshot.sweep, state, percent)
                for place, (run, (state, percent, _), changed_at) in enumerate(
                    zip(snapshot.runs, kept.looks, kept.changed_at, strict=True)
                )
                if is_whole or changed_at > after
            ]
            return RunsNews(rows, is_whole, f"{self._session}.{kept.revision}")


_Look = tuple[str, int | None, str]  # state now, percent of updates made, state when metrics were read


@dataclass
class _Kept:
    revision: int = 0
    whole_since: int = 1  # the revision at which the sweep asked for other runs than before
    keys: list[str] = field(default_factory=list)
    looks: list[_Look] = field(default_factory=list)
    changed_at: list[int] = field(default_factory=list)

    def take_in(self, snapshot: Snapshot, live: Mapping[str, RunState]) -> None:
        """Note what has changed, under a new revision if anything has."""
        keys = [run.key for run in snapshot.runs]
        looks = [_look(run.state, live.get(run.key)) for run in snapshot.runs]
        if keys != self.keys or not self.revision:
            self.revision += 1
            self.whole_since, self.changed_at = self.revision, [self.revision] * len(keys)
        elif looks != self.looks:
            self.revision += 1
            pairs = zip(looks, self.looks, self.changed_at, strict=True)
            self.changed_at = [at if new == old else self.revision for new, old, at in pairs]
        self.keys, self.looks = keys, looks


def _look(observed: str, now: RunState | None) -> _Look:
    if now is None or (observed in ("done", "diverged") and now.state != "damaged"):
        return observed, None, observed  # a result that was seen counts: the live state may be a moment older
    percent = 100 * now.updates_done // max(1, now.updates_total) if now.state in _IN_HAND else None
    return now.state, percent, observed
