"""Packs: which runs are proposed to be trained together.

A pack holds runs of one shape, of whatever budgets. The largest of a shape fixes, when the plan is frozen,
how many slots each of them has: the bits of a run may depend on that, and on nothing else of its pack. As
runs end, workers fill their slots with runs of other packs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from sgdlab.config.schema import Run
from sgdlab.config.shapes import shape_of


@dataclass(frozen=True)
class Pack:
    """Runs of one shape, in the order of their slots."""

    shape: str
    keys: tuple[str, ...]


def pack_runs(runs: Iterable[tuple[str, Run]], pack_size: int, num_workers: int) -> list[Pack]:
    """Group runs by shape into packs of nearly equal size, the costliest first.

    No pack is larger than `pack_size`; a shape is split into at least as many packs as there are workers,
    while that leaves `_SMALLEST_SPLIT` runs a pack: below that, packing gains more than a second worker does.
    """
    by_shape: dict[str, list[tuple[str, Run]]] = {}
    for key, run in runs:
        by_shape.setdefault(shape_of(run), []).append((key, run))
    costed: list[tuple[float, Pack]] = []
    for shape, members in by_shape.items():
        at_least = min(num_workers, len(members) // _SMALLEST_SPLIT)
        num_packs = max(math.ceil(len(members) / pack_size), at_least, 1)
        for chunk in _split_evenly(members, num_packs):
            cost = sum(relative_cost(run) for _, run in chunk)
            costed.append((cost, Pack(shape, tuple(key for key, _ in chunk))))
    return [pack for _, pack in sorted(costed, key=lambda item: -item[0])]


_SMALLEST_SPLIT = 12


def relative_cost(run: Run) -> float:
    """Return the work of one run in gradients of one minibatch: what packs are ordered by."""
    estimator = getattr(run.regularizer, "estimator", None)
    per_update = {None: 1, "exact": 3, "forward_difference": 2, "central_difference": 3}[estimator]
    return run.num_updates * per_update


def _split_evenly(members: list[tuple[str, Run]], num_packs: int) -> Iterable[list[tuple[str, Run]]]:
    """Cut a list into `num_packs` runs of neighbours whose lengths differ by one at most."""
    size, larger = divmod(len(members), num_packs)
    start = 0
    for index in range(num_packs):
        stop = start + size + (index < larger)
        yield members[start:stop]
        start = stop
