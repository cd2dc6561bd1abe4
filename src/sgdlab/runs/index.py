"""The index: what is known of all published runs, in one SQLite file on the local disk.

A cache and nothing more. Each answer is checked against the run folders (is the result there, and is it the
file that was indexed?), so a stale, damaged or missing index costs time, never a wrong answer.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any, Self, TypeVar

from sgdlab.machine.cache_folder import cache_folder
from sgdlab.runs.indexed import IndexedRun, Summary
from sgdlab.runs.journal import read_new
from sgdlab.runs.layout import Stamp
from sgdlab.runs.result import DamagedRunError, NoResultError
from sgdlab.runs.store import Store

__all__ = ["Index", "IndexedRun", "Speed"]

_T = TypeVar("_T")
_Row = tuple[Any, ...]

_VERSION = 1  # of the tables; a file with another one is made anew
_OF_RUN = tuple(field.name for field in fields(IndexedRun) if field.name != "summary")
_COLUMNS = ("mtime_ns", "size", "metrics", "numbers", *_OF_RUN)  # metrics: the names of the numbers, as JSON
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS runs ({", ".join(_COLUMNS)}, PRIMARY KEY (key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journals (name TEXT PRIMARY KEY, offset INTEGER) WITHOUT ROWID;
PRAGMA user_version = {_VERSION};
COMMIT;
"""
_INSERT = f"INSERT OR REPLACE INTO runs VALUES ({', '.join('?' * len(_COLUMNS))})"
_BATCH = 10_000  # SQLite takes up to 32,766 values in one statement


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
        wanted = list(dict.fromkeys(keys))
        self.refresh()
        stamps = self._store.stamps(wanted)
        known: dict[str, IndexedRun] = {}
        vanished: list[str] = []
        for key, stamp, run in self._robustly(lambda database: list(_select(database, wanted))):
            if stamps.get(key) == stamp:
                known[key] = run
            elif key not in stamps:
                vanished.append(key)
        unknown = {key: stamp for key, stamp in stamps.items() if key not in known}
        read = list(self._read(unknown))
        if read or vanished:
            rows = [_row(run, stamp) for run, stamp in read if run.state != "damaged"]
            self._robustly(lambda database: _write(database, rows, vanished))
        known.update((run.key, run) for run, _ in read)
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
                    with suppress(
                        KeyError, TypeError
                    ):  # a row as another version wrote it: `lookup` reads the run
                        yield _row_of_event(entry.event.detail)

        with database:
            database.executemany(_INSERT, rows())
            database.executemany("INSERT OR REPLACE INTO journals VALUES (?, ?)", new_offsets.items())

    def _read_everything(self, database: sqlite3.Connection) -> None:
        with database:
            database.execute("DELETE FROM runs")
            stamps = self._store.stamps(self._store.every_key())
            found = ((run, stamp) for run, stamp in self._read(stamps) if run.state != "damaged")
            database.executemany(_INSERT, (_row(run, stamp) for run, stamp in found))

    def _read(self, stamps: dict[str, Stamp]) -> Iterator[tuple[IndexedRun, Stamp]]:
        for key, stamp in stamps.items():
            try:
                yield IndexedRun.of(self._store.read_result(key)), stamp
            except DamagedRunError:
                yield IndexedRun(key, "damaged", Summary.of({})), stamp
            except NoResultError:
                continue  # discarded just now

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


def _select(database: sqlite3.Connection, keys: list[str]) -> Iterator[tuple[str, Stamp, IndexedRun]]:
    names_of: dict[str, tuple[str, ...]] = {}
    remaining = iter(keys)
    while batch := list(islice(remaining, _BATCH)):
        places = ", ".join("?" * len(batch))
        rows = database.execute(f"SELECT * FROM runs WHERE key IN ({places})", batch)
        for mtime_ns, size, metrics, numbers, key, state, *others in rows:
            if metrics not in names_of:
                names_of[metrics] = tuple(json.loads(metrics))
            summary = Summary(names_of[metrics], array("d", numbers))
            yield key, (mtime_ns, size), IndexedRun(key, state, summary, *others)


def _write(database: sqlite3.Connection, rows: Iterable[_Row], vanished: Iterable[str]) -> None:
    with database:
        database.executemany("DELETE FROM runs WHERE key = ?", ((key,) for key in vanished))
        database.executemany(_INSERT, rows)


def _row(run: IndexedRun, stamp: Stamp) -> _Row:
    summary = json.dumps(run.summary.names), run.summary.values_in_bytes
    return (*stamp, *summary, *(getattr(run, name) for name in _OF_RUN))


def _row_of_event(detail: Any) -> _Row:
    mtime_ns, size = detail["stamp"]
    run = {name: value for name, value in detail.items() if name != "stamp"}
    return _row(IndexedRun.from_detail(run), (mtime_ns, size))
