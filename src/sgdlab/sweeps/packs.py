"""Packs: which runs are proposed to be trained together.

A pack holds runs of one shape, of whatever budgets. The largest of a shape fixes, when the plan is frozen,
how many slots each of them has: the bits of a run may depend on that, and on nothing else of its pack. As
runs end, workers fill their slots with runs of other packs.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

from sgdlab.config.execution import Execution, PackSize
from sgdlab.config.schema import Run
from sgdlab.config.shapes import shape_of
from sgdlab.sweeps.cost import CostModel, Statistics, StepCosts, Work, guess, work_of

_DEFAULT_WIDTH = 32  # where the throughput of several widths isn't known
_CLOSE = 1.05  # workers that end within 5 % of each other end together
_PRICE = 0.25  # of a second of work, beside a second of waiting: what narrower packs may cost
_SPLITS_PER_WORKER = 8  # at most, to make workers end together


@dataclass(frozen=True)
class Pack:
    """Runs of one shape, in the order of their slots."""

    shape: str
    keys: tuple[str, ...]


def pack_runs(
    runs: Iterable[tuple[str, Run]],
    pack_size: PackSize,
    num_workers: int,
    costs: CostModel | None = None,
    statistics: Statistics = "end",
) -> list[Pack]:
    """Group runs by shape into packs, the costliest first.

    A pack is as wide as throughput asks for: the narrowest measured width that is as good as the best one;
    never above `pack_size`, nor above what memory allows. Where workers would not end together so, packs are
    split, the last of whoever ends last; as long as what narrower packs cost is less than what it gains.
    What was never measured is balanced by its arithmetic, in packs of at most 32 unless a size is given.
    """
    pieces = [
        part
        for shape in _shapes(runs, pack_size, costs, statistics)
        for part in _Piece(shape, 0, len(shape.keys)).parts(math.ceil(len(shape.keys) / shape.width))
    ]
    return [Pack(piece.shape.name, piece.keys) for piece in _balance(pieces, num_workers)]


def propose_packs(
    runs: Mapping[str, Run], execution: Execution, num_workers: int, costs: CostModel | None
) -> list[Pack]:
    """Return the packs of a command's runs; see `pack_runs`."""
    statistics = execution.diagnostics.gradient_statistics
    return pack_runs(runs.items(), execution.launcher.pack_size, num_workers, costs, statistics)


def makespan(seconds: Sequence[float], num_workers: int) -> float:
    """Return when the last worker ends, each taking the next of these packs whenever it is free."""
    free_at = [0.0] * num_workers
    for duration in seconds:
        heapq.heapreplace(free_at, free_at[0] + duration)
    return max(free_at)


@dataclass(frozen=True, eq=False)
class _Shape:
    """All runs of one shape."""

    name: str
    keys: tuple[str, ...]
    works: tuple[Work, ...]
    costs: StepCosts
    width: int  # of its packs, at most

    @cached_property
    def sums(self) -> list[Work]:
        """The work of the first 0, 1, 2, … runs."""
        return list(accumulate(self.works, initial=Work()))


@dataclass(frozen=True, eq=False)
class _Piece:
    """Neighbours of one shape: a pack to be."""

    shape: _Shape
    start: int
    stop: int

    @property
    def keys(self) -> tuple[str, ...]:
        return self.shape.keys[self.start : self.stop]

    @property
    def width(self) -> int:
        return self.stop - self.start

    @cached_property
    def seconds(self) -> float:
        return self.shape.costs.pack_s(self.shape.sums[self.stop] - self.shape.sums[self.start], self.width)

    def parts(self, count: int) -> list[_Piece]:
        """Cut into parts whose widths differ by one at most."""
        size, larger = divmod(self.width, count)
        edges = list(accumulate([size + (part < larger) for part in range(count)], initial=self.start))
        return [_Piece(self.shape, start, stop) for start, stop in pairwise(edges)]


def _shapes(
    runs: Iterable[tuple[str, Run]],
    pack_size: PackSize,
    costs: CostModel | None,
    statistics: Statistics,
) -> Iterable[_Shape]:
    by_shape: dict[str, list[tuple[str, Run]]] = {}
    for key, run in runs:
        by_shape.setdefault(shape_of(run), []).append((key, run))
    for name, members in by_shape.items():
        first = members[0][1]
        known = (costs and costs.of(first)) or guess(first)
        default = len(members) if known.is_explored else _DEFAULT_WIDTH
        at_most = default if pack_size == "auto" else pack_size
        works = tuple(work_of(run, statistics) for _, run in members)
        yield _Shape(name, tuple(key for key, _ in members), works, known, known.best_width(at_most))


def _balance(pieces: list[_Piece], num_workers: int) -> list[_Piece]:
    """Split pieces until workers end together; return what is best, the longest first."""
    goal = _CLOSE * _total(pieces) / num_workers
    best = sorted(pieces, key=_longest_first)
    trial = best
    for attempt in range(_SPLITS_PER_WORKER * num_workers + 1):
        if attempt == 1:
            share = _total(best) / num_workers  # nothing longer can be in a balanced plan
            cut = [p.parts(min(p.width, math.ceil(p.seconds / share))) for p in best]
            trial = sorted((part for parts in cut for part in parts), key=_longest_first)
        elif attempt > 1:
            last = _last_to_end(trial, num_workers)
            if last is None:
                break
            trial = sorted([p for p in trial if p is not last] + last.parts(2), key=_longest_first)
        if _burden(trial, num_workers) < _burden(best, num_workers):
            best = trial
        if makespan([p.seconds for p in best], num_workers) <= goal:
            break
    return best


def _burden(pieces: Sequence[_Piece], num_workers: int) -> float:
    """What a plan is judged by: how long one waits for it, and what it takes."""
    seconds = [piece.seconds for piece in pieces]
    return makespan(seconds, num_workers) + _PRICE * sum(seconds) / num_workers


def _last_to_end(pieces: Sequence[_Piece], num_workers: int) -> _Piece | None:
    """Return the last piece that can be split of the worker that ends last."""
    workers: list[tuple[float, int]] = [(0.0, worker) for worker in range(num_workers)]
    last: dict[int, _Piece] = {}
    for piece in pieces:
        free_at, worker = workers[0]
        heapq.heapreplace(workers, (free_at + piece.seconds, worker))
        if piece.width > 1:
            last[worker] = piece
    return last.get(max(workers)[1])


def _total(pieces: Iterable[_Piece]) -> float:
    return sum(piece.seconds for piece in pieces)


def _longest_first(piece: _Piece) -> tuple[float, str, int]:
    return -piece.seconds, piece.shape.name, piece.start
