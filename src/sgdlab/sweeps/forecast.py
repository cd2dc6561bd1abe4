"""What training the missing runs of a survey would take: packs, updates, time, disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sgdlab.config.execution import Execution
from sgdlab.config.schema import Run
from sgdlab.config.shapes import describe_step, step_of
from sgdlab.config.widths import next_width
from sgdlab.sweeps.cost import CostModel, PackEstimate
from sgdlab.sweeps.estimate import Estimate, estimate_packs
from sgdlab.sweeps.packs import Pack, propose_packs
from sgdlab.sweeps.survey import Survey


@dataclass(frozen=True)
class StepForecast:
    """The runs of one step: they cost the same for each update."""

    step: str  # for people
    num_runs: int
    num_updates: int  # over all of them
    num_packs: int
    pack_width: int  # of the widest
    backend: str | None  # that is expected to train them; None where it isn't known
    update_s: float | None  # of one update of one run
    device_s: float | None


@dataclass(frozen=True)
class Unmeasured:
    """A step of which too little is known here."""

    run: Run  # one of them
    num_runs: int


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
    device: str
    device_kind: Literal["cpu", "cuda"]
    steps: tuple[StepForecast, ...]
    num_unknown: int  # runs whose cost isn't known
    device_hours: float | None  # None where there are such
    wall_hours: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def forecast(survey: Survey, execution: Execution, num_workers: int, costs: CostModel) -> Forecast:
    """Forecast, without asking anything but the cost model."""
    packs = propose_packs(survey.missing, execution, num_workers, costs)
    estimate = estimate_packs(packs, survey.missing, execution, num_workers, costs)
    states = [run.state for run in survey.stored.values()]
    steps = tuple(_by_step(packs, survey.missing, estimate))
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
        device=costs.device.name,
        device_kind=costs.device.kind,
        steps=steps,
        num_unknown=sum(step.num_runs for step in steps if step.device_s is None),
        device_hours=_hours(estimate.device_s),
        wall_hours=_hours(estimate.wall_s),
    )


def unmeasured_steps(runs: Iterable[Run], execution: Execution, costs: CostModel) -> list[Unmeasured]:
    """Return the steps that a measurement would tell more of: never measured, or not at the widths needed."""
    firsts: dict[str, Run] = {}
    counts: dict[str, int] = {}
    for run in runs:
        step = step_of(run)
        firsts.setdefault(step, run)
        counts[step] = counts.get(step, 0) + 1
    pack_size = execution.launcher.pack_size
    found = []
    for step, run in firsts.items():
        at_most = counts[step] if pack_size == "auto" else min(counts[step], pack_size)
        known = costs.measured(run)
        update_s = {width: speed.update_s for width, speed in known.by_width.items()} if known else {}
        if next_width(update_s, at_most) is not None:
            found.append(Unmeasured(run, at_most))
    return found


def _by_step(packs: Iterable[Pack], runs: Mapping[str, Run], estimate: Estimate) -> Iterable[StepForecast]:
    of_step: dict[str, list[tuple[Pack, PackEstimate | None]]] = {}
    for pack, expected in zip(packs, estimate.packs, strict=True):
        of_step.setdefault(step_of(runs[pack.keys[0]]), []).append((pack, expected))
    for members in of_step.values():
        known = [expected for _, expected in members if expected is not None]
        is_known = len(known) == len(members)
        num_updates = [sum(runs[key].num_updates for key in pack.keys) for pack, _ in members]
        update_s = sum(e.update_s * n for (_, e), n in zip(members, num_updates, strict=True) if e)
        yield StepForecast(
            step=describe_step(runs[members[0][0].keys[0]]),
            num_runs=sum(len(pack.keys) for pack, _ in members),
            num_updates=sum(num_updates),
            num_packs=len(members),
            pack_width=max(len(pack.keys) for pack, _ in members),
            backend=", ".join(sorted({e.backend for e in known} - {""})) or None,
            update_s=update_s / sum(num_updates) if is_known else None,
            device_s=sum(expected.seconds for expected in known) if is_known else None,
        )


def _hours(seconds: float | None) -> float | None:
    return None if seconds is None else seconds / 3600
