"""The index: what is known of all published runs, in one SQLite file on the local disk.

A cache and nothing more. Each answer is checked against the run folders (are the result and the curves there,
and are they the files that were indexed?), so a stale, damaged or missing index costs time, never a wrong
answer. Files are told apart by the time of their last change and their size; only changed ones are read.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from sgdlab.machine.cache_folder import cache_folder
from sgdlab.runs.index_rows import (
    COLUMNS_ASKED,
    CURVES_FILE,
    IN_FULL,
    INSERT,
    SCHEMA,
    STAMP,
    VERSION,
    Row,
    accept,
    in_order,
    row_of,
    row_of_event,
    select,
    write,
)
from sgdlab.runs.indexed import IndexedRun, State, Summary
from sgdlab.runs.journal import read_new
from sgdlab.runs.result import DamagedRunError, NoResultError
from sgdlab.runs.store import Store

__all__ = ["Index", "IndexedRun", "Outcome", "Speed"]

_T = TypeVar("_T")


class Outcome(NamedTuple):
    """How a run ended, and what tells whether it is the run that is planned under its key."""

    state: State
    config_digest: str  # see `sgdlab.config.identity`; empty of a damaged run


@dataclass(frozen=True)
class Speed:
    """What was measured of one shape of training."""

    shape: str
    device: str | None
    pack_width: int | None
    seconds_per_update: float  # of the whole pack; mean over the runs
    num_runs: int


class Index:
    """The index of one store; `folder` is where its file lies, by default the user's cache folder."""

    def __init__(self, store: Store, folder: Path | None = None) -> None:
        self._store = store
        root = store.root.resolve()
        name = f"{root.name}-{hashlib.sha256(str(root).encode()).hexdigest()[:16]}.sqlite"
        self.path = (folder or cache_folder()) / name
        self._database = self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def lookup(self, keys: Iterable[str]) -> dict[str, IndexedRun]:
        """Return those of the runs that are published, each checked against its folder.

        A damaged result is returned in the state `damaged`; `Store.read_result` says what is wrong with it.
        """
        names_of: dict[str, tuple[str, ...]] = {}

        def run_of(metrics: str, numbers: bytes, key: str, state: State, *others: Any) -> IndexedRun:
            if metrics not in names_of:
                names_of[metrics] = tuple(json.loads(metrics))
            return IndexedRun(key, state, Summary(names_of[metrics], array("d", numbers)), *others)

        return self._look_up(keys, IN_FULL, run_of, lambda run: run)

    def outcomes(self, keys: Iterable[str]) -> dict[str, Outcome]:
        """Return how those of the runs that are published have ended; as `lookup`, in half the time."""
        return self._look_up(
            keys, Outcome._fields, Outcome, lambda run: Outcome(run.state, run.config_digest)
        )

    def accept(self, digests: Mapping[str, str]) -> None:
        """Take note that stored runs are those planned under their keys: these are their digests now."""
        self._robustly(lambda database: accept(database, digests))

    def _look_up(
        self,
        keys: Iterable[str],
        columns: tuple[str, ...],
        of_row: Callable[..., _T],
        of_run: Callable[[IndexedRun], _T],
    ) -> dict[str, _T]:
        wanted = dict.fromkeys(keys)
        self.refresh()
        rows = self._robustly(lambda database: select(database, wanted, columns))
        known: dict[str, _T] = {}
        changed: list[str] = []
        vanished: list[str] = []
        for key, stamp in self._store.stamps({key: row[CURVES_FILE] for key, row in rows.items()}):
            row = rows[key]
            if row[STAMP] == stamp:
                known[key] = of_row(*row[COLUMNS_ASKED])
            else:
                (vanished if stamp is None else changed).append(key)
        changed += self._store.published(key for key in wanted if key not in rows)
        if changed or vanished:
            sound: list[Row] = []
            for run, sound_row in self._read(changed):
                known[run.key] = of_run(run)
                sound += [sound_row] if sound_row else []
            self._robustly(lambda database: write(database, sound, vanished))
        return {key: known[key] for key in wanted if key in known}

    def speeds(self) -> list[Speed]:
        """Return the measured cost of an update, for each shape, device and pack width in the store."""
        self.refresh()
        query = """
            SELECT shape, device, pack_width, AVG(seconds_per_update), COUNT(*) FROM runs
            WHERE shape IS NOT NULL AND seconds_per_update IS NOT NULL
            GROUP BY shape, device, pack_width ORDER BY shape, device, pack_width
        """
        return self._robustly(lambda database: [Speed(*row) for row in database.execute(query)])

    def refresh(self) -> None:
        """Take in what was appended to the journals since the last time."""
        self._robustly(self._follow_journals)

    def rebuild(self) -> None:
        """Forget everything, and read every result in the store."""
        self._robustly(self._read_everything)

    def _follow_journals(self, database: sqlite3.Connection) -> None:
        offsets = dict(database.execute("SELECT name, offset FROM journals"))
        new_offsets: dict[str, int] = {}

        def rows() -> Iterator[Row]:
            for entry in read_new(self._store.journals, offsets, kind="published"):
                new_offsets[entry.journal] = entry.end
                if entry.event.kind == "published":
                    with suppress(KeyError, TypeError, ValueError):  # as another version wrote it: `lookup`
                        yield row_of_event(entry.event.detail)  # reads the run

        with database:
            database.executemany(INSERT, in_order(rows()))
            database.executemany("INSERT OR REPLACE INTO journals VALUES (?, ?)", new_offsets.items())

    def _read_everything(self, database: sqlite3.Connection) -> None:
        with database:
            database.execute("DELETE FROM runs")
            read = self._read(self._store.every_key())
            database.executemany(INSERT, (row for _, row in read if row))

    def _read(self, keys: Iterable[str]) -> Iterator[tuple[IndexedRun, Row | None]]:
        """Read published runs with all their files; a damaged one has no row: it may be mended unseen."""
        for key in keys:
            try:
                result, stamp = self._store.verify(key)
            except DamagedRunError:
                yield IndexedRun(key, "damaged", Summary.of({})), None
            except NoResultError:
                continue  # discarded just now, or never published
            else:
                run = IndexedRun.of(result)
                yield run, row_of(run, stamp, result.curves_file)

    def _robustly(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do the work; if the file is damaged or can't be written, on a new one, and at last in memory."""
        for reopen in (self._open_anew, _in_memory):
            try:
                return work(self._database)
            except sqlite3.DatabaseError:
                self._database.close()
                self._database = reopen()
        return work(self._database)

    def _open(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            database = sqlite3.connect(self.path, timeout=60)
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, VERSION):
                database.close()
                return self._open_anew()
            if version == 0:
                database.executescript(SCHEMA)
        except sqlite3.DatabaseError:
            return self._open_anew()
        except OSError:
            return _in_memory()
        return database

    def _open_anew(self) -> sqlite3.Connection:
        try:
            for path in (self.path, self.path.with_name(f"{self.path.name}-journal")):
                path.unlink(missing_ok=True)
            database = sqlite3.connect(self.path, timeout=60)
            database.executescript(SCHEMA)
        except (sqlite3.DatabaseError, OSError):
            return _in_memory()
        return database


def _in_memory() -> sqlite3.Connection:
    database = sqlite3.connect(":memory:")
    database.executescript(SCHEMA)
    return database
