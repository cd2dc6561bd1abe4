"""The rows of the index: its tables in SQL, how a row is made, and how many are read at once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from itertools import islice
from operator import itemgetter
from typing import Any

from sgdlab.runs.indexed import IndexedRun

Row = tuple[Any, ...]

VERSION = 2  # of the tables; a file with another one is made anew
_OF_RUN = tuple(field.name for field in fields(IndexedRun) if field.name != "summary")
_OF_FILES = ("mtime_ns", "size", "curves_mtime_ns", "curves_size", "curves_file")
IN_FULL = ("metrics", "numbers", *_OF_RUN)  # metrics: the names of the numbers, as JSON
_COLUMNS = (*_OF_FILES, *IN_FULL)
_KEY = _COLUMNS.index("key")
SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS runs ({", ".join(_COLUMNS)}, PRIMARY KEY (key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journals (name TEXT PRIMARY KEY, offset INTEGER) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
COMMIT;
"""
STAMP, CURVES_FILE, COLUMNS_ASKED = slice(1, 5), 5, slice(6, None)  # of a row that `select` returns
INSERT = f"INSERT OR REPLACE INTO runs VALUES ({', '.join('?' * len(_COLUMNS))})"
_BATCH = 10_000  # SQLite takes up to 32,766 values in one statement


def select(database: sqlite3.Connection, keys: Collection[str], columns: tuple[str, ...]) -> dict[str, Row]:
    """Return what is known of the files of each key that has a row, and then the columns."""
    query = f"SELECT key, {', '.join((*_OF_FILES, *columns))} FROM runs"
    (num_rows,) = database.execute("SELECT COUNT(*) FROM runs").fetchone()
    if len(keys) > num_rows // 4:  # to read all of them takes less time than to find so many
        return {row[0]: row for row in database.execute(query) if row[0] in keys}
    rows: dict[str, Row] = {}
    remaining = iter(keys)
    while batch := list(islice(remaining, _BATCH)):
        places = ", ".join("?" * len(batch))
        found = database.execute(f"{query} WHERE key IN ({places})", batch)
        rows.update((row[0], row) for row in found)
    return rows


def write(database: sqlite3.Connection, rows: Iterable[Row], vanished: Iterable[str]) -> None:
    """Insert or replace rows, and delete those of keys, all at once."""
    with database:
        database.executemany("DELETE FROM runs WHERE key = ?", ((key,) for key in vanished))
        database.executemany(INSERT, rows)


def accept(database: sqlite3.Connection, digests: Mapping[str, str]) -> None:
    """Put other digests of the configuration, given by key, into the rows that there are."""
    update = "UPDATE runs SET config_digest = ? WHERE key = ?"
    with database:
        database.executemany(update, ((digest, key) for key, digest in digests.items()))


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Return rows by ascending key, as the table holds them: so they are inserted faster."""
    return sorted(rows, key=itemgetter(_KEY))


def row_of(run: IndexedRun, stamp: Sequence[int], curves_file: str) -> Row:
    """Return the row of a run."""
    of_result, of_curves = stamp[:2], stamp[2:]
    summary = _text_of(run.summary.names), run.summary.values_in_bytes
    return (*of_result, *of_curves, curves_file, *summary, *(getattr(run, name) for name in _OF_RUN))


@lru_cache(maxsize=64)  # many runs, few sets of metrics
def _text_of(names: tuple[str, ...]) -> str:
    return json.dumps(names)


def row_of_event(detail: Any) -> Row:
    """Return the row that an event carries; KeyError, TypeError or ValueError if another version wrote it."""
    run = {name: value for name, value in detail.items() if name not in ("stamp", "curves_file")}
    row = row_of(IndexedRun.from_detail(run), detail["stamp"], detail["curves_file"])
    if len(row) != len(_COLUMNS):
        raise ValueError("the stamp is another version's")
    return row
