"""Giving stored runs the keys that the current schema would give them.

A key leaves out what has its default. When a default changes, a stored run keeps its old key, under which a
different run is now planned (`drift` refuses that). Its stored configuration states the old default, so
hashing it again yields the key under which it is to be found from now on.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace as with_changes

from sgdlab.config.identity import SCHEMA_VERSION
from sgdlab.errors import UserError
from sgdlab.runs.files import naming, replace
from sgdlab.runs.result import Provenance, RunResult
from sgdlab.runs.store import Store
from sgdlab.runs.stored_identity import current_key


def migrate(store: Store) -> list[tuple[str, str]]:
    """Move every published run to the key of its full configuration; return (old key, new key).

    A folder moves by one rename; killed at any instant and run again, the migration goes on. Runs that are
    damaged, or whose configuration has no key today, stay where they are. No worker should be training
    meanwhile, and plans frozen before name the old keys: plan again.

    Raises
    ------
    UserError
        If a run would have to overwrite another one; then nothing has been moved.
    """
    moves = {}
    for key in store.every_key():
        result = _read(store, key)
        new = current_key(result.config, result.revisions) if result else None
        if result is None or new is None:
            continue
        if new != key:
            moves[key] = new
        elif result.key != key:  # an earlier migration was killed after the rename
            _write_key(store, result, key)
    ordered = _in_order(store, moves)
    with naming(store.root):
        for old, new in ordered:
            target = store.run_folder(new)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(store.run_folder(old), target)
            result = _read(store, new)
            if result is not None:
                _write_key(store, result, new)
    return ordered


def _in_order(store: Store, moves: dict[str, str]) -> list[tuple[str, str]]:
    """Return the moves so that each finds its target free: what is in the way moves first."""
    wanted = Counter(moves.values())
    ordered: list[tuple[str, str]] = []
    left = dict(moves)
    while left:
        free = {old: new for old, new in left.items() if new not in left}
        for old, new in (free or left).items():
            if not free or wanted[new] > 1 or (new not in moves and store.run_folder(new).exists()):
                raise UserError(
                    f"{store.run_folder(old)} is to become {store.run_folder(new)}, which is taken. "
                    "Both are runs of the same configuration: remove one of the two folders and migrate again"
                )
            del left[old]
        ordered += free.items()
    return ordered


def _read(store: Store, key: str) -> RunResult | None:
    try:
        return RunResult.from_json(store.result_path(key).read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _write_key(store: Store, result: RunResult, key: str) -> None:
    earlier = [*result.provenance.get("migrated_from", []), result.key]
    provenance: Provenance = {**result.provenance, "migrated_from": earlier}
    result = with_changes(result, key=key, schema_version=SCHEMA_VERSION, provenance=provenance)
    replace(store.result_path(key), result.to_json())
