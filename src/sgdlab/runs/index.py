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
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from sgdlab.runs.cache_folder import cache_folder
from sgdlab.runs.indexed import IndexedRun, State, Summary
from sgdlab.runs.journal import read_new
from sgdlab.runs.result import DamagedRunError, NoResultError
from sgdlab.runs.store import Store

__all__ = ["Index", "IndexedRun", "Outcome", "Speed"]

_T = TypeVar("_T")
_Row = tuple[Any, ...]

_VERSION = 2  # of the tables; a file with another one is made anew
_OF_RUN = tuple(field.name for field in fields(IndexedRun) if field.name != "summary")
_OF_FILES = ("mtime_ns", "size", "curves_mtime_ns", "curves_size", "curves_file")
_IN_FULL = ("metrics", "numbers", *_OF_RUN)  # metrics: the names of the numbers, as JSON
_COLUMNS = (*_OF_FILES, *_IN_FULL)
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS runs ({", ".join(_COLUMNS)}, PRIMARY KEY (key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journals (name TEXT PRIMARY KEY, offset INTEGER) WITHOUT ROWID;
PRAGMA user_version = {_VERSION};
COMMIT;
"""
_STAMP, _CURVES_FILE, _COLUMNS_ASKED = slice(1, 5), 5, slice(6, None)  # of a row that `_select` returns
_INSERT = f"INSERT OR REPLACE INTO runs VALUES ({', '.join('?' * len(_COLUMNS))})"
_BATCH = 10_000  # SQLite takes up to 32,766 values in one statement


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

        return self._look_up(keys, _IN_FULL, run_of, lambda run: run)

    def outcomes(self, keys: Iterable[str]) -> dict[str, Outcome]:
        """Return how those of the runs that are published have ended; as `lookup`, in half the time."""
        return self._look_up(
            keys, Outcome._fields, Outcome, lambda run: Outcome(run.state, run.config_digest)
        )

    def accept(self, digests: Mapping[str, str]) -> None:
        """Take note that stored runs are those planned under their keys: these are their digests now."""
        update = "UPDATE runs SET config_digest = ? WHERE key = ?"
        self._robustly(
            lambda database: _change(database, update, [(digest, key) for key, digest in digests.items()])
        )

    def _look_up(
        self,
        keys: Iterable[str],
        columns: tuple[str, ...],
        of_row: Callable[..., _T],
        of_run: Callable[[IndexedRun], _T],
    ) -> dict[str, _T]:
        wanted = dict.fromkeys(keys)
        self.refresh()
        rows = self._robustly(lambda database: _select(database, wanted, columns))
        known: dict[str, _T] = {}
        changed: list[str] = []
        vanished: list[str] = []
        for key, stamp in self._store.stamps({key: row[_CURVES_FILE] for key, row in rows.items()}):
            row = rows[key]
            if row[_STAMP] == stamp:
                known[key] = of_row(*row[_COLUMNS_ASKED])
            else:
                (vanished if stamp is None else changed).append(key)
        changed += self._store.published(key for key in wanted if key not in rows)
        if changed or vanished:
            sound: list[_Row] = []
            for run, sound_row in self._read(changed):
                known[run.key] = of_run(run)
                sound += [sound_row] if sound_row else []
            self._robustly(lambda database: _write(database, sound, vanished))
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

        def rows() -> Iterator[_Row]:
            for entry in read_new(self._store.journals, offsets):
                new_offsets[entry.journal] = entry.end
                if entry.event.kind == "published":
                    with suppress(KeyError, TypeError, ValueError):  # as another version wrote it: `lookup`
                        yield _row_of_event(entry.event.detail)  # reads the run

        with database:
            database.executemany(_INSERT, rows())
            database.executemany("INSERT OR REPLACE INTO journals VALUES (?, ?)", new_offsets.items())

    def _read_everything(self, database: sqlite3.Connection) -> None:
        with database:
            database.execute("DELETE FROM runs")
            read = self._read(self._store.every_key())
            database.executemany(_INSERT, (row for _, row in read if row))

    def _read(self, keys: Iterable[str]) -> Iterator[tuple[IndexedRun, _Row | None]]:
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
                yield run, _row(run, stamp, result.curves_file)

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
            if version not in (0, _VERSION):
                database.close()
                return self._open_anew()
            if version == 0:
                database.executescript(_SCHEMA)
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
            database.executescript(_SCHEMA)
        except (sqlite3.DatabaseError, OSError):
            return _in_memory()
        return database


def _in_memory() -> sqlite3.Connection:
    database = sqlite3.connect(":memory:")
    database.executescript(_SCHEMA)
    return database


def _select(database: sqlite3.Connection, keys: Collection[str], columns: tuple[str, ...]) -> dict[str, _Row]:
    """Return what is known of the files of each key that has a row, and then the columns."""
    query = f"SELECT key, {', '.join((*_OF_FILES, *columns))} FROM runs"
    (num_rows,) = database.execute("SELECT COUNT(*) FROM runs").fetchone()
    if len(keys) > num_rows // 4:  # to read all of them takes less time than to find so many
        return {row[0]: row for row in database.execute(query) if row[0] in keys}
    rows: dict[str, _Row] = {}
    remaining = iter(keys)
    while batch := list(islice(remaining, _BATCH)):
        places = ", ".join("?" * len(batch))
        found = database.execute(f"{query} WHERE key IN ({places})", batch)
        rows.update((row[0], row) for row in found)
    return rows


def _write(database: sqlite3.Connection, rows: Iterable[_Row], vanished: Iterable[str]) -> None:
    with database:
        database.executemany("DELETE FROM runs WHERE key = ?", ((key,) for key in vanished))
        database.executemany(_INSERT, rows)


def _change(database: sqlite3.Connection, statement: str, values: Iterable[_Row]) -> None:
    with database:
        database.executemany(statement, values)


def _row(run: IndexedRun, stamp: Sequence[int], curves_file: str) -> _Row:
    of_result, of_curves = stamp[:2], stamp[2:]
    summary = json.dumps(run.summary.names), run.summary.values_in_bytes
    return (*of_result, *of_curves, curves_file, *summary, *(getattr(run, name) for name in _OF_RUN))


def _row_of_event(detail: Any) -> _Row:
    run = {name: value for name, value in detail.items() if name not in ("stamp", "curves_file")}
    row = _row(IndexedRun.from_detail(run), detail["stamp"], detail["curves_file"])
    if len(row) != len(_COLUMNS):
        raise ValueError("the stamp is another version's")
    return row
