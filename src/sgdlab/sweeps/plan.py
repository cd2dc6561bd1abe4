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
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sgdlab.config.execution import Execution
from sgdlab.config.fields import Component
from sgdlab.config.schema import Run, validate_component
from sgdlab.errors import UserError
from sgdlab.runs.files import naming, replace
from sgdlab.sweeps.cost import CostModel
from sgdlab.sweeps.estimate import Estimate, estimate_packs
from sgdlab.sweeps.packs import Pack, propose_packs

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
    estimate: Estimate | None = None  # what the packs were expected to take when they were made


def freeze(
    folder: Path,
    sweeps: Sequence[str],
    execution: Execution,
    wanted: Iterable[str],
    missing: Mapping[str, Run],
    num_workers: int,
    costs: CostModel | None = None,
) -> FrozenPlan:
    """Write the plan for the missing ones of the wanted runs, and what the cost model expects of it.

    Where one is there already, left by the same command, its packs stay as they are: same widths, same bits.
    So does what was expected of them. How they are carried out is what this command says.

    Raises
    ------
    UserError
        If the folder can't be written.
    """
    path = folder / f"{plan_id(wanted)}.json.gz"
    earlier = _earlier(path, missing)
    runs = earlier.runs if earlier else missing
    packs = earlier.packs if earlier else propose_packs(missing, execution, num_workers, costs)
    if earlier or costs is None:
        estimate = earlier and earlier.estimate
    else:
        estimate = estimate_packs(packs, missing, execution, num_workers, costs)
    content = {
        "format": _FORMAT,
        "sweeps": list(sweeps),
        "execution": execution.model_dump(mode="json"),
        "packs": [{"shape": pack.shape, "keys": pack.keys} for pack in packs],
        "estimate": None if estimate is None else asdict(estimate),
        **_compact(runs),
    }
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
        replace(path, gzip.compress(json.dumps(content).encode(), compresslevel=3, mtime=0))
    return load_plan(path)


def estimate_missing(
    plan: FrozenPlan, missing: Collection[str], num_workers: int, costs: CostModel
) -> Estimate:
    """Estimate what is left of a plan by what is known today."""
    left = [tuple(key for key in pack.keys if key in missing) for pack in plan.packs]
    packs = [Pack(pack.shape, keys) for pack, keys in zip(plan.packs, left, strict=True) if keys]
    return estimate_packs(packs, plan.runs, plan.execution, num_workers, costs)


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
        estimate = Estimate.from_dict(content["estimate"]) if content.get("estimate") else None
    except (OSError, EOFError, zlib.error, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: not a readable plan ({error}); delete it and give the same command again"
        ) from error
    sweeps = tuple(content["sweeps"])
    return FrozenPlan(path.name.partition(".")[0], path, sweeps, execution, runs, packs, estimate)


def plan_id(keys: Iterable[str]) -> str:
    """Return the name of the plan of a command that wants these runs."""
    return hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()[:16]


def keys_of_plan(path: Path) -> frozenset[str]:
    """Return the keys of a frozen plan's runs; quicker than to load it. Raises UserError as `load_plan`."""
    try:
        return frozenset(json.loads(gzip.decompress(path.read_bytes()))["runs"])
    except (OSError, EOFError, zlib.error, ValueError, LookupError, TypeError) as error:
        raise UserError(f"{path}: not a readable plan ({error})") from error


def _earlier(path: Path, missing: Mapping[str, Run]) -> FrozenPlan | None:
    """Return the plan that is there, if it has all missing runs in it."""
    if not path.exists():
        return None
    try:
        plan = load_plan(path)
    except UserError:
        return None  # a damaged plan is written anew
    is_whole = all(plan.runs.get(key) == run for key, run in missing.items())
    return plan if is_whole else None


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
