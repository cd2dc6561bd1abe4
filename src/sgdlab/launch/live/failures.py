"""Failed runs, grouped by what they failed of; a file is read once, and again where it has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sgdlab.launch.live.state import FailureGroup
from sgdlab.runs.layout import NO_FILE, FileStamp, file_stamp
from sgdlab.runs.result import DamagedRunError
from sgdlab.runs.store import Failure, Store


@dataclass
class FailuresWatch:
    """Knows why runs failed."""

    store: Store
    _known: dict[str, tuple[FileStamp, Failure]] = field(default_factory=dict)

    def look(self, failed: Iterable[str]) -> list[str]:
        """Look at failed runs; return those that aren't any more: somebody wants them tried again."""
        known, self._known = self._known, {}
        cleared = []
        for key in failed:
            stamp = file_stamp(self.store.failure_path(key))
            if stamp == NO_FILE:
                cleared.append(key)
                continue
            earlier = known.get(key)
            failure = earlier[1] if earlier and earlier[0] == stamp else self._read(key)
            if failure is not None:
                self._known[key] = stamp, failure
        return cleared

    def groups(self, sweeps_of: Callable[[Iterable[str]], tuple[str, ...]]) -> list[FailureGroup]:
        """Return the failures by their error, the most frequent first."""
        by_error: dict[str, list[Failure]] = {}
        for _, failure in self._known.values():
            by_error.setdefault(failure.error, []).append(failure)
        groups = [
            FailureGroup(
                error=error,
                keys=tuple(failure.key for failure in members),
                example=max(members, key=lambda failure: failure.at),
                sweeps=sweeps_of(failure.key for failure in members),
            )
            for error, members in by_error.items()
        ]
        return sorted(groups, key=lambda group: (-len(group.keys), group.error))

    def _read(self, key: str) -> Failure | None:
        try:
            return self.store.read_failure(key)
        except DamagedRunError as error:
            return Failure(key, "", str(error), self.store.failure_path(key), "")
