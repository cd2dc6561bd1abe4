"""A group of training rows: variants on one piece of work that take turns, and the ratios between them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from statistics import median

import torch

from performance import packed
from performance.floors import batched_floor_us
from performance.peers import NewPeer, check_same
from performance.rows import Missing, Row, RowSpec, Variant, ratios
from performance.timing import cpu_s, one_core, take_turns
from performance.work import Work

Times = dict[str, list[float]]
"""µs a run and update by variant, one a round."""


@dataclass(frozen=True)
class Effort:
    """How long things are measured."""

    num_rounds: int
    s_per_call: float  # of CPU time, about, that a variant is timed for in each round


class Clock:
    """Times one variant; made once for a group, called once a round."""

    first_call_s: float | None = None

    def __init__(self, measure: Callable[[], float]) -> None:
        self._measure = measure

    def __call__(self) -> float:
        """Return µs a run and update."""
        return self._measure()


NewClock = Callable[[Work, Effort], Clock]


@dataclass(frozen=True)
class Comparison:
    """A row that is the ratio of two variants' times."""

    spec: RowSpec
    numerator: str
    denominator: str
    with_first_calls: bool = False  # both sides' first calls spread over the updates of a sweep's pack


@dataclass(frozen=True)
class TrainingGroup:
    """Variants by label, and the rows made of them; only what the wanted rows need is measured."""

    name: str
    work: Work
    clocks: dict[str, NewClock]
    comparisons: tuple[Comparison, ...]
    shown: tuple[str, ...]  # variants that the picture has, whatever rows there are

    @property
    def specs(self) -> list[RowSpec]:
        """Return the rows."""
        return [comparison.spec for comparison in self.comparisons]

    def measure(self, wanted: Collection[str], effort: Effort) -> tuple[list[Row | Missing], list[Variant]]:
        """Measure the wanted rows, and what the picture shows where all of them are."""
        comparisons = [c for c in self.comparisons if c.spec.name in wanted]
        needed = {label for c in comparisons for label in (c.numerator, c.denominator)}
        if len(comparisons) == len(self.comparisons):
            needed |= set(self.shown)
        try:
            with one_core():
                wanted_clocks = {label: new for label, new in self.clocks.items() if label in needed}
                clocks = {label: new(self.work, effort) for label, new in wanted_clocks.items()}
                times = take_turns(clocks, effort.num_rounds)
        except ImportError as error:
            return [Missing(c.spec, str(error)) for c in comparisons], []
        variants = [
            Variant(self.work.title, label, median(us), min(us), max(us), clocks[label].first_call_s)
            for label, us in times.items()
            if label in self.shown
        ]
        first_calls = {label: clock.first_call_s for label, clock in clocks.items()}
        return [self._row(c, times, first_calls) for c in comparisons], variants

    def _row(self, comparison: Comparison, times: Times, first_calls: dict[str, float | None]) -> Row:
        sides = [comparison.numerator, comparison.denominator]
        note = ""
        columns = [times[side] for side in sides]
        if comparison.with_first_calls:
            extra_s = [first_calls[side] or 0.0 for side in sides]
            per_update = 1e6 / self.work.num_sweep_updates / self.work.num_runs
            columns = [[us + s * per_update for us in c] for c, s in zip(columns, extra_s, strict=True)]
            note = ", ".join(f"{side} {s:.1f} s" for side, s in zip(sides, extra_s, strict=True))
        return Row.over_rounds(comparison.spec, ratios(*columns), note)


def packed_clock(work: Work, effort: Effort) -> Clock:
    """Time `train_pack`."""
    first = packed.train(work, _FEWEST_UPDATES)
    num_updates = _num_updates_for(work, effort)
    clock = Clock(lambda: packed.steady_us(work, num_updates))
    clock.first_call_s = first.seconds[1] - first.updates[1] * packed.train(work, num_updates).steady_s
    return clock


def plain_packed_clock(work: Work, effort: Effort) -> Clock:
    """Time `train_pack` of the same runs without the penalty."""
    return packed_clock(replace(work, is_penalised=False), effort)


def without_trainer_clock(work: Work, effort: Effort) -> Clock:
    """Time the population without Lightning's Trainer."""
    num_updates = _num_updates_for(work, effort)
    return Clock(lambda: packed.without_trainer_us(work, num_updates))


def cadence_clock(work: Work, _effort: Effort) -> Clock:
    """Time `train_pack` with the sweeps' own evaluations."""
    return Clock(lambda: packed.cadence_us(work))


def floor_clock(work: Work, _effort: Effort) -> Clock:
    """Time the batched products alone."""
    return Clock(lambda: batched_floor_us(work))


def peer_clock(new_peer: Callable[[], NewPeer], one_run: bool = False) -> NewClock:
    """Time a peer, once it has shown that it computes the same; imported when it is wanted."""

    def new_clock(work: Work, effort: Effort) -> Clock:
        kind = new_peer()
        check_same(kind, work)
        timed = packed.alone(work) if one_run else work
        pipeline = packed.pipeline_of(timed)
        peer = kind(timed, packed.initial(timed), pipeline.train.inputs, pipeline.train.labels)

        def seconds(indices: torch.Tensor) -> float:
            started = cpu_s()
            peer.advance(indices)
            return cpu_s() - started

        trial = timed.minibatches(_TRIAL_UPDATES)
        seconds(trial)
        num_updates = _updates_in(effort, seconds(trial) / _TRIAL_UPDATES)
        indices = timed.minibatches(num_updates)
        first_s = seconds(indices)  # of these shapes: JAX compiles
        clock = Clock(lambda: seconds(indices) / num_updates / timed.num_runs * 1e6)
        clock.first_call_s = max(0.0, first_s - seconds(indices))
        return clock

    return new_clock


_FEWEST_UPDATES = 17
_FEWEST_MARKS = 5  # one more than needed: chunks differ a little from call to call
_TRIAL_UPDATES = 8


def _updates_in(effort: Effort, s_per_update: float) -> int:
    """Return a number of updates that takes about as long as a variant should be timed for."""
    return max(2 * _TRIAL_UPDATES, round(effort.s_per_call / s_per_update))


def _num_updates_for(work: Work, effort: Effort) -> int:
    """Return the same for sgdlab, which is timed between its first chunk and its last."""
    num_updates = _FEWEST_UPDATES
    marks = packed.train(work, num_updates)
    while len(marks.updates) < _FEWEST_MARKS or marks.middle_s < effort.s_per_call / 4:
        num_updates *= 4
        marks = packed.train(work, num_updates)
    return max(num_updates, round(num_updates * effort.s_per_call / marks.middle_s))
