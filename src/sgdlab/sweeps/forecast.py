"""What training the missing runs of a survey would take: packs, updates, time, disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from sgdlab.config.shapes import shape_of
from sgdlab.runs.index import Index
from sgdlab.runs.store import Store
from sgdlab.sweeps.packs import pack_runs
from sgdlab.sweeps.survey import Survey


@dataclass(frozen=True)
class Forecast:
    """The dry run of a command."""

    num_asked: int  # by all grids
    num_distinct: int  # after runs that several grids share are counted once
    num_done: int
    num_diverged: int
    num_failed: int
    num_damaged: int
    num_to_train: int
    num_doubtful_penalties: int  # of the distinct runs: finite differences across the kinks of ReLU
    num_packs: int
    num_updates: int  # parameter updates, over all runs to train
    num_files: int  # that the store will gain
    num_bytes: int
    num_workers: int
    device_hours: float | None  # None: no step of some shape was ever measured here

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """Write the forecast for people."""
        shared = self.num_asked - self.num_distinct
        yield f"runs        {self.num_distinct} ({self.num_asked} asked for, {shared} shared by grids)"
        yield f"stored      {self.num_done} done, {self.num_diverged} diverged"
        if self.num_failed or self.num_damaged:
            yield f"            {self.num_failed} failed, {self.num_damaged} damaged: `sgdlab retry`"
        yield f"to train    {self.num_to_train} in {self.num_packs} packs, {self.num_updates:,} updates"
        if self.num_to_train:
            yield f"disk        {self.num_files} files, about {self.num_bytes / 1e6:.1f} MB"
            yield f"time        {self._time()}"
        if self.num_doubtful_penalties:
            runs = "1 run" if self.num_doubtful_penalties == 1 else f"{self.num_doubtful_penalties} runs"
            yield f"caution     {runs}: finite differences with ReLU are unreliable (docs/penalty.md)"

    def _time(self) -> str:
        if self.device_hours is None:
            return "unknown: some of these shapes have never been trained in this store"
        wall = self.device_hours / self.num_workers
        shown = f"{wall:.1f} h" if wall >= 2 else f"{wall * 60:.1f} min"
        return f"about {shown} with {self.num_workers} workers ({self.device_hours:.2f} device-hours)"


def forecast(survey: Survey, store: Store, pack_size: int, num_workers: int) -> Forecast:
    """Forecast; the time is known where runs of each shape have been measured."""
    packs = pack_runs(survey.missing.items(), pack_size, num_workers)
    states = [run.state for run in survey.stored.values()]
    return Forecast(
        num_asked=survey.num_asked,
        num_distinct=len(survey.wanted),
        num_done=states.count("done"),
        num_diverged=states.count("diverged"),
        num_failed=len(survey.failed),
        num_damaged=len(survey.damaged),
        num_to_train=len(survey.missing),
        num_doubtful_penalties=sum(run.differences_kinks for run in survey.wanted.values()),
        num_packs=len(packs),
        num_updates=survey.num_updates_missing,
        num_files=survey.num_files,
        num_bytes=survey.num_bytes,
        num_workers=min(num_workers, max(1, len(packs))),
        device_hours=_device_hours(survey, store),
    )


def _device_hours(survey: Survey, store: Store) -> float | None:
    """Sum the cost of each missing run, as measured for its shape whatever the pack width."""
    with Index(store) as index:
        measured = {
            speed.shape: speed.seconds_per_update / (speed.pack_width or 1) for speed in index.speeds()
        }
    seconds = 0.0
    for run in survey.missing.values():
        per_update = measured.get(shape_of(run))
        if per_update is None:
            return None
        seconds += run.num_updates * per_update
    return seconds / 3600
