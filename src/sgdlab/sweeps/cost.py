"""The cost model: how long runs take, from what was measured of their step on this device.

    pack_s = U·update_s + E·evaluation_s/w + M·example_s + G·gradient_s + setup_s

Summed over the runs of a pack of width w: U their updates, E their evaluations, M the examples that these
pass through the network, G the minibatch gradients behind C_reg and ‖∇C‖². The landscape is measured on
chunks as large as an evaluation's, where an example's gradient takes far less than in a minibatch: it counts
in M, as a few passes. Between two measured widths the time of a whole pack is taken to be linear in its
width; a pack narrower than all measured ones takes as long as the narrowest, and beyond the widest a run
takes as long as in that.

First counts what `training.step_speed` found on this device; then what finished runs of that shape took on
it, everything in one number. A step of which neither is known costs None.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sgdlab.config.landscape import MeasuredLandscape, num_example_gradients
from sgdlab.config.schema import Run
from sgdlab.config.shapes import shape_of, step_of
from sgdlab.config.widths import AS_GOOD
from sgdlab.machine.devices import Device
from sgdlab.machine.speeds import BackendSpeed, SpeedTable, TrainingSpeed
from sgdlab.runs.index import Speed
from sgdlab.sweeps.multiply_adds import multiply_adds

WORKER_START_S = 4.0  # of one worker, once: it imports torch and Lightning
_PASSES_PER_GRADIENT = 5  # 2 to 3 as `batched` evaluates, 5 to 7 as the kernel in C does
_GUESSED_RATE = 1e10  # multiply-adds a second: only to balance packs that were never measured by
_GUESSED_WIDTH = 12  # below it a guessed pack takes no less: packing gains more than a second worker does

Statistics = Literal["none", "end", "evaluations"]
"""When C_reg and ‖∇C‖² are measured: ``diagnostics.gradient_statistics``."""


@dataclass(frozen=True)
class Work:
    """What runs have to do; adds up over runs."""

    num_updates: int = 0
    num_evaluations: int = 0
    num_examples: int = 0  # passed forward in evaluations, and what measuring the landscape amounts to
    num_gradients: int = 0  # of minibatches, behind C_reg and ‖∇C‖²

    def __add__(self, other: Work) -> Work:
        return Work(
            self.num_updates + other.num_updates,
            self.num_evaluations + other.num_evaluations,
            self.num_examples + other.num_examples,
            self.num_gradients + other.num_gradients,
        )

    def __sub__(self, other: Work) -> Work:
        return Work(
            self.num_updates - other.num_updates,
            self.num_evaluations - other.num_evaluations,
            self.num_examples - other.num_examples,
            self.num_gradients - other.num_gradients,
        )


def work_of(run: Run, statistics: Statistics) -> Work:
    """Return what one run has to do."""
    num_evaluations = math.ceil(run.num_updates / run.evaluate_every_num_updates)
    times = {"none": 0, "end": 1, "evaluations": num_evaluations}[statistics]
    return Work(
        run.num_updates,
        num_evaluations,
        num_evaluations * (run.data.num_train + run.data.num_test)
        + _num_landscape_passes(run, num_evaluations),
        times * math.ceil(run.data.num_train / run.optimizer.batch_size),
    )


def _num_landscape_passes(run: Run, num_evaluations: int) -> int:
    """Return what measuring the landscape amounts to."""
    if not isinstance(run.landscape, MeasuredLandscape):
        return 0
    data = run.data
    each = num_example_gradients(run.landscape, data.num_train, data.num_test, run.optimizer.batch_size)
    return round(num_evaluations * _PASSES_PER_GRADIENT * each)


@dataclass(frozen=True)
class StepCosts:
    """What training one step costs, by pack width."""

    by_width: Mapping[int, TrainingSpeed]  # in ascending order, at least one
    widest: int | None = None  # what memory allows; None where it isn't known
    is_explored: bool = True  # whether other widths than those of finished runs were tried

    def at(self, width: int) -> TrainingSpeed:
        """Return the speed at a width, between the measured ones by interpolation."""
        widths = list(self.by_width)
        place = bisect_left(widths, width)
        if place == len(widths):
            return self.by_width[widths[-1]]
        above = self.by_width[widths[place]]
        if place == 0:
            share = widths[0] / width
            return _speed(above, above, 1.0, share, share)
        below = self.by_width[widths[place - 1]]
        part = (width - widths[place - 1]) / (widths[place] - widths[place - 1])
        return _speed(below, above, part, widths[place - 1] / width, widths[place] / width)

    def pack_s(self, work: Work, width: int) -> float:
        """Return the seconds that a pack takes whose runs have so much to do together."""
        speed = self.at(width)
        return (
            work.num_updates * speed.update_s
            + work.num_evaluations * speed.evaluation_s / width
            + work.num_examples * speed.example_s
            + work.num_gradients * speed.gradient_s
            + speed.setup_s
        )

    def best_width(self, at_most: int) -> int:
        """Return the narrowest measured width that is as good as the best one, within what is allowed.

        Where several widths were never tried, that is as wide as allowed.
        """
        limit = at_most if self.widest is None else min(at_most, self.widest)
        if not self.is_explored:
            return limit
        update_s = {width: self.at(width).update_s for width in (min(w, limit) for w in self.by_width)}
        best = min(update_s.values())
        return min(width for width, seconds in update_s.items() if seconds <= AS_GOOD * best)


def _speed(
    below: TrainingSpeed, above: TrainingSpeed, part: float, below_share: float, above_share: float
) -> TrainingSpeed:
    """Blend the times of two packs; the shares make the times of one run of theirs those of the new width."""

    def of_pack(low: float, high: float) -> float:
        return (1 - part) * low + part * high

    def of_run(low: float, high: float) -> float:
        return of_pack(low * below_share, high * above_share)

    return TrainingSpeed(
        backend=(above if part >= 0.5 else below).backend,
        setup_s=of_pack(below.setup_s, above.setup_s),
        update_s=of_run(below.update_s, above.update_s),
        evaluation_s=of_pack(below.evaluation_s, above.evaluation_s),
        example_s=of_run(below.example_s, above.example_s),
        gradient_s=of_run(below.gradient_s, above.gradient_s),
    )


@dataclass(frozen=True)
class PackEstimate:
    """What a pack is expected to take."""

    seconds: float  # all its runs together
    update_s: float  # one update of one of them
    backend: str  # empty where it is told from finished runs


def guess(run: Run) -> StepCosts:
    """Return costs from the arithmetic alone: to balance packs by, not to be told to anybody."""
    speed = TrainingSpeed("", 0.0, multiply_adds(run) / _GUESSED_RATE, 0.0, 0.0, 0.0)
    return StepCosts({_GUESSED_WIDTH: speed}, is_explored=False)


class CostModel:
    """What steps cost on one device; asks its tables once for each step."""

    def __init__(
        self,
        device: Device,
        num_bytes: int | None,
        backend: str = "auto",
        finished: Iterable[Speed] = (),
        examples_per_pass: int | None = None,
    ) -> None:
        """`num_bytes` is the memory that a pack may take, `finished` what the runs of a store took.

        `examples_per_pass` of a minibatch are computed at a time.
        """
        self.device = device
        self._num_bytes, self._backend, self._examples_per_pass = num_bytes, backend, examples_per_pass
        self._finished: dict[str, dict[int, TrainingSpeed]] = {}
        for speed in finished:
            if speed.device == device.recorded_name and speed.pack_width:
                found = TrainingSpeed("", 0.0, speed.seconds_per_update / speed.pack_width, 0.0, 0.0, 0.0)
                self._finished.setdefault(speed.shape, {})[speed.pack_width] = found
        self._measured: dict[str, StepCosts | None] = {}

    def of(self, run: Run) -> StepCosts | None:
        """Return what is known of a run's step; None if nothing is."""
        return self.measured(run) or self._of_finished(shape_of(run))

    def measured(self, run: Run) -> StepCosts | None:
        """Return what was measured of a run's step, finished runs apart."""
        step = step_of(run, self._examples_per_pass)
        if step not in self._measured:
            self._measured[step] = self._read(SpeedTable(step, self.device.name))
        return self._measured[step]

    def estimate(self, members: Sequence[Run], statistics: Statistics) -> PackEstimate | None:
        """Return what a pack of these runs, of one shape, will take; None if nothing is known of its step."""
        known = self.of(members[0])
        if known is None:
            return None
        work = sum((work_of(run, statistics) for run in members), Work())
        speed = known.at(len(members))
        return PackEstimate(known.pack_s(work, len(members)), speed.update_s, speed.backend)

    def _of_finished(self, shape: str) -> StepCosts | None:
        speeds = self._finished.get(shape)
        return StepCosts(dict(sorted(speeds.items())), is_explored=False) if speeds else None

    def _read(self, table: SpeedTable) -> StepCosts | None:
        by_width: dict[int, TrainingSpeed] = {}
        for name, of in table.training().items():
            if self._backend not in (name, "auto"):
                continue
            for width, speed in of.items():
                if width not in by_width or speed.update_s < by_width[width].update_s:
                    by_width[width] = speed
        if not by_width:
            return None
        by_width = dict(sorted(by_width.items()))
        return StepCosts(by_width, self._widest(by_width, table.backends()))

    def _widest(
        self, used: Mapping[int, TrainingSpeed], backends: Mapping[str, Mapping[int, BackendSpeed]]
    ) -> int | None:
        """Return how many runs fit in memory: what a run adds is the slope between the widest two packs."""
        if self._num_bytes is None:
            return None
        sizes = {
            width: backends[speed.backend][width].num_bytes
            for width, speed in used.items()
            if width in backends.get(speed.backend, {})
        }
        if not sizes:
            return None
        *narrower, widest = sizes
        at = narrower[-1] if narrower else 0
        per_run = (sizes[widest] - sizes.get(at, 0)) / (widest - at)
        if per_run <= 0:
            return None
        return max(1, widest + math.floor((self._num_bytes - sizes[widest]) / per_run))
