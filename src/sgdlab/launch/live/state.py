"""What is known of sweeps at one moment, for whoever shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sgdlab.runs.store import Failure

STATES = ("done", "diverged", "running", "unknown", "interrupted", "failed", "damaged", "waiting")
"""Of runs, as `sgdlab status` counts them; see `sgdlab.sweeps.standing`."""


@dataclass(frozen=True)
class SweepState:
    """How far one sweep is, or all together. Runs that several sweeps want count in each of them."""

    title: str  # "smith2021/fig1b @ laptop"
    counts: Mapping[str, int]  # state → runs, in the order of `STATES`; nothing where they can't be told
    updates_done: int  # by runs with a result as many as were planned, also where they diverged
    updates_left: int  # of the runs that are waiting, running, interrupted or unknown
    updates_total: int  # failed and damaged runs included
    updates_per_s: float | None  # of its runs, in the last minute; None where no worker says
    unknown_since: str | None = None  # ISO 8601: since when nothing was heard of the first unknown run
    problem: str | None = None  # why its runs can't be told

    @property
    def num_runs(self) -> int:
        """Distinct runs."""
        return sum(self.counts.values())

    @property
    def seconds_left(self) -> float | None:
        """Time left at this pace; None where there is none."""
        return self.updates_left / self.updates_per_s if self.updates_per_s else None

    @property
    def is_active(self) -> bool:
        """Whether somebody trains it."""
        return self.counts.get("running", 0) > 0


@dataclass(frozen=True)
class WorkerState:
    """A worker at its pack. One that has nothing to train isn't known."""

    attempt: str
    state: Literal["training", "silent", "died"]  # silent: for longer than a lease; died: without a word
    host: str
    pid: int
    device: str | None  # cpu, or cuda:0 as its process counts; None before it trains
    gpu: str | None  # that GPU's number or UUID on its machine
    job: str | None  # Slurm's number: 123_4
    since: str  # ISO 8601: when it took up this pack
    silent_s: float  # how long nothing was heard, as seen from here
    updates_of: Mapping[str, int]  # key → updates made, of what it holds and hasn't finished
    updates_per_s: float | None  # over all its runs
    sweeps: tuple[str, ...]  # titles of those that want its runs
    log: str


@dataclass(frozen=True)
class FailureGroup:
    """Runs that failed with the same last line."""

    error: str
    keys: tuple[str, ...]
    example: Failure  # the latest of them
    sweeps: tuple[str, ...]  # titles


@dataclass(frozen=True)
class RunEnd:
    """A run that came to its end."""

    key: str
    outcome: Literal["done", "diverged", "failed"]
    at: str  # ISO 8601
    sweeps: tuple[str, ...]  # titles
    error: str  # of a failed one


@dataclass(frozen=True)
class RunState:
    """One run of a sweep."""

    key: str
    state: str  # one of `STATES`
    updates_done: int
    updates_total: int
    attempt: str | None  # that trains it, or of which nothing was heard


@dataclass(frozen=True)
class LiveState:
    """Everything at one moment."""

    at: str  # ISO 8601
    store: str
    sweeps: tuple[SweepState, ...]
    together: SweepState  # runs that several sweeps want counted once
    workers: tuple[WorkerState, ...]
    failures: tuple[FailureGroup, ...]  # the largest first
    damages: tuple[str, ...]  # which file, what is wrong with it, and the way out
    ends: tuple[RunEnd, ...]  # the latest first

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        content = asdict(self)
        for group in content["failures"]:
            group["example"]["log"] = str(group["example"]["log"])
        return content
