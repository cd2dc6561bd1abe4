"""The frozen plan: what a command wants trained, written down once with every run's full configuration.

From then on only this file counts: sweep files and conf may change while workers train. Its name is a hash of
all runs that the command wants, done or not; so the same command finds its own unfinished plan and goes on
with it: same packs, same widths, same bits.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgdlab.config.execution import Execution
from sgdlab.config.identity import canonical_json
from sgdlab.config.schema import Run
from sgdlab.errors import UserError
from sgdlab.runs.files import naming, replace
from sgdlab.sweeps.packs import Pack, pack_runs

_FORMAT = 1


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
        templates = [Run.model_validate(config) for config in content["configs"]]
        runs = {
            key: templates[index].model_copy(update={"seed": seed})
            for key, (index, seed) in content["runs"].items()
        }
        packs = tuple(Pack(pack["shape"], tuple(pack["keys"])) for pack in content["packs"])
        execution = Execution.model_validate(content["execution"])
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
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
    return (plan.runs, plan.packs) if missing.keys() <= plan.runs.keys() else None


def _name_of(keys: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()[:16]


def _compact(runs: Mapping[str, Run]) -> dict[str, Any]:
    """Store each configuration once for all its seeds."""
    configs: dict[str, int] = {}
    by_key: dict[str, tuple[int, int]] = {}
    for key, run in runs.items():
        text = canonical_json(run.model_copy(update={"seed": 0}).model_dump(mode="json"))
        by_key[key] = (configs.setdefault(text, len(configs)), run.seed)
    return {"configs": [json.loads(text) for text in configs], "runs": by_key}
