"""The frozen plan: what a command wants trained, written down once with every run's full configuration.

From then on only this file counts: sweep files and conf may change while workers train. Its name is a hash of
all runs that the command wants, done or not; so the same command finds its own unfinished plan and goes on
with it: same packs, same widths, same bits.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgdlab.config.execution import Execution
from sgdlab.config.fields import Component
from sgdlab.config.schema import Run, validate_component
from sgdlab.errors import UserError
from sgdlab.runs.files import naming, replace
from sgdlab.sweeps.packs import Pack, pack_runs

_FORMAT = 1
_PARTS = tuple(name for name in Run.model_fields if name != "seed")


@dataclass(frozen=True)
class FrozenPlan:
    """Runs to train, in packs."""

    id: str
    path: Path
    sweeps: tuple[str, ...]  # "smith2021/fig1b @ laptop", for people
    execution: Execution
    runs: Mapping[str, Run]  # key → normalised configuration
    packs: tuple[Pack, ...]


def freeze(
    folder: Path,
    sweeps: Sequence[str],
    execution: Execution,
    wanted: Iterable[str],
    missing: Mapping[str, Run],
    num_workers: int,
) -> FrozenPlan:
    """Write the plan for the missing ones of the wanted runs.

    Where one is there already, left by the same command, its packs stay as they are: same widths, same bits.
    How they are carried out is what this command says.

    Raises
    ------
    UserError
        If the folder can't be written.
    """
    path = folder / f"{_name_of(wanted)}.json.gz"
    runs, packs = _earlier(path, missing) or (
        missing,
        pack_runs(missing.items(), execution.launcher.pack_size, num_workers),
    )
    content = {
        "format": _FORMAT,
        "sweeps": list(sweeps),
        "execution": execution.model_dump(mode="json"),
        "packs": [{"shape": pack.shape, "keys": pack.keys} for pack in packs],
        **_compact(runs),
    }
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
        replace(path, gzip.compress(json.dumps(content).encode(), compresslevel=3, mtime=0))
    return load_plan(path)


def load_plan(path: Path) -> FrozenPlan:
    """Read a frozen plan.

    Raises
    ------
    UserError
        If the file can't be read as a plan.
    """
    try:
        content = json.loads(gzip.decompress(path.read_bytes()))
        if content["format"] != _FORMAT:
            raise ValueError(f"format {content['format']}, and this version reads {_FORMAT}")
        runs = dict(_expand(content["components"], content["runs"]))
        packs = tuple(Pack(pack["shape"], tuple(pack["keys"])) for pack in content["packs"])
        execution = Execution.model_validate(content["execution"])
    except (OSError, EOFError, zlib.error, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: not a readable plan ({error}); delete it and give the same command again"
        ) from error
    return FrozenPlan(path.name.partition(".")[0], path, tuple(content["sweeps"]), execution, runs, packs)


def _earlier(path: Path, missing: Mapping[str, Run]) -> tuple[Mapping[str, Run], Sequence[Pack]] | None:
    """Return the runs and packs of the plan that is there, if it has all missing runs in it."""
    if not path.exists():
        return None
    try:
        plan = load_plan(path)
    except UserError:
        return None  # a damaged plan is written anew
    is_whole = all(plan.runs.get(key) == run for key, run in missing.items())
    return (plan.runs, plan.packs) if is_whole else None


def _name_of(keys: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()[:16]


def _compact(runs: Mapping[str, Run]) -> dict[str, Any]:
    """Store each component once for all runs that have it: of a run, its seed and the places of its parts."""
    places: dict[str, dict[Any, int]] = {name: {} for name in _PARTS}
    rows = {
        key: [run.seed, *(at.setdefault(getattr(run, name), len(at)) for name, at in places.items())]
        for key, run in runs.items()
    }
    components = {
        name: [part.model_dump(mode="json") if isinstance(part, Component) else part for part in at]
        for name, at in places.items()
    }
    return {"components": components, "runs": rows}


def _expand(components: Mapping[str, list[Any]], rows: Mapping[str, list[int]]) -> Iterator[tuple[str, Run]]:
    parts = [[validate_component(name, part) for part in components[name]] for name in _PARTS]
    for key, (seed, *places) in rows.items():
        fields = {name: of[place] for name, of, place in zip(_PARTS, parts, places, strict=True)}
        yield key, Run.model_validate({"seed": seed, **fields})
