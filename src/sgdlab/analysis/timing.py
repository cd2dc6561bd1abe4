"""What the cost model expected of a sweep's runs when their plan was frozen, beside what they took."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sgdlab.config.schema import Run
from sgdlab.config.shapes import describe_step, step_of
from sgdlab.runs.result import DamagedRunError, NoResultError, RunResult
from sgdlab.runs.store import Store
from sgdlab.sweeps.estimate import Estimate


@dataclass(frozen=True)
class Timing:
    """Runs of one step. Only those count of which both sides are known."""

    step: str  # for people
    num_runs: int
    num_updates: int  # over all of them, as planned
    expected_s: float  # of all workers together
    actual_s: float

    @property
    def ratio(self) -> float:
        """How many times as long it took."""
        return self.actual_s / self.expected_s


def timings_of(keys: Collection[str], store: Store) -> list[Timing]:
    """Compare, for each step, the estimates in the store's plans with the provenance of published runs."""
    expected = _expectations(keys, store.root / "plans")
    of_step: dict[str, list[tuple[float, RunResult]]] = {}
    labels: dict[str, str] = {}
    steps: dict[str | None, str] = {}
    for key, seconds in expected.items():
        with suppress(NoResultError, DamagedRunError):
            result = store.read_result(key)
            shape = result.provenance.get("shape")
            if shape not in steps:
                run = Run.model_validate(result.config)
                steps[shape] = step_of(run)
                labels[steps[shape]] = describe_step(run)
            if result.provenance.get("wall_s") and seconds > 0:
                of_step.setdefault(steps[shape], []).append((seconds, result))
    return [_compare(labels[step], runs) for step, runs in of_step.items()]


def _compare(label: str, runs: list[tuple[float, RunResult]]) -> Timing:
    return Timing(
        step=label,
        num_runs=len(runs),
        num_updates=sum(result.config["budget"]["num_updates"] for _, result in runs),
        expected_s=sum(seconds for seconds, _ in runs),
        actual_s=sum(r.provenance["wall_s"] / max(1, r.provenance.get("pack_width", 1)) for _, r in runs),
    )


def _expectations(keys: Collection[str], folder: Path) -> dict[str, float]:
    """Return each run's share of the time expected of its pack, from the first plan that has it."""
    found: dict[str, float] = {}
    for path in sorted(folder.glob("*.json.gz")):
        for key, seconds in _of_plan(path):
            if key in keys:
                found.setdefault(key, seconds)
    return found


def _of_plan(path: Path) -> Iterator[tuple[str, float]]:
    """Read the estimate of a plan, without its runs; nothing of one that can't be read."""
    try:
        content = json.loads(gzip.decompress(path.read_bytes()))
        packs: list[Mapping[str, list[str]]] = content["packs"]
        estimate = Estimate.from_dict(content["estimate"])
        expected = zip(packs, estimate.packs, strict=True)
        shares = [
            (key, of_pack.seconds / len(pack["keys"]))
            for pack, of_pack in expected
            if of_pack is not None
            for key in pack["keys"]
        ]
    except (OSError, EOFError, zlib.error, ValueError, LookupError, TypeError):
        return
    yield from shares
