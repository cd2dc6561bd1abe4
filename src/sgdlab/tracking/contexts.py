"""Where a run belongs: what W&B shows beside its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sgdlab.config.numbers import format_number
from sgdlab.sweeps.places import places
from sgdlab.sweeps.remembered import SweepKeys
from sgdlab.sweeps.spec import Sweep


@dataclass(frozen=True)
class SweepContext:
    """Where a run belongs: what W&B shows as its group, job type, tags and name."""

    sweep: str
    grid: str
    paper: str
    figure: str
    scale: str
    name: str  # what tells this run from its siblings, e.g. "lr=2**-6 seed=3"
    point: str = ""  # the same without the seed: what runs that differ in nothing else have in common


def contexts_of(sweeps: Iterable[tuple[Sweep, SweepKeys]]) -> dict[str, SweepContext]:
    """Say of each run where it belongs, given each sweep with its keys; the first wins."""
    contexts: dict[str, SweepContext] = {}
    for sweep, known in sweeps:
        for place, key in zip(places(sweep), known.keys, strict=True):
            if key not in contexts:
                contexts[key] = SweepContext(
                    sweep.name,
                    place.grid,
                    sweep.paper,
                    sweep.figure,
                    sweep.scale,
                    name=f"{place.panel} {describe_run(place.point, place.seed)}",
                    point=f"{place.panel}/{place.grid} {describe_point(place.point)}",
                )
    return contexts


def describe_run(point: Mapping[str, Any], seed: int) -> str:
    """Write what tells a run from its neighbours: ``lr=2**-6 seed=3``."""
    return f"{describe_point(point)} seed={seed}".lstrip()


def describe_point(point: Mapping[str, Any]) -> str:
    """Write what tells a point from its neighbours: ``lr=2**-6``."""
    return " ".join(f"{axis.rpartition('.')[2]}={format_number(value)}" for axis, value in point.items())
