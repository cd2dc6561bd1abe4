"""What sweeps take as a whole, whatever of them is stored: runs, updates, and time where it was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sgdlab.config.execution import Execution
from sgdlab.config.schema import Run
from sgdlab.sweeps.cost import CostModel
from sgdlab.sweeps.estimate import estimate_packs
from sgdlab.sweeps.packs import propose_packs


@dataclass(frozen=True)
class Outlay:
    """What some runs take."""

    num_runs: int
    num_updates: int  # over all of them
    num_unknown: int  # runs whose step was never measured
    device_hours: float | None  # of all workers together; None where there are such runs


@dataclass(frozen=True)
class Outlook:
    """What sweeps take at one scale, on one kind of device."""

    scale: str
    device: str
    device_kind: Literal["cpu", "cuda"]
    sweeps: Mapping[str, Outlay]
    together: Outlay  # runs that several sweeps ask for counted once


def look_out(
    runs_of: Mapping[str, Mapping[str, Run]],
    scale: str,
    execution: Execution,
    num_workers: int,
    costs: CostModel,
) -> Outlook:
    """Tell what sweeps take, given as name → key → run; as a plan does where nothing is stored."""
    every = {key: run for runs in runs_of.values() for key, run in runs.items()}

    def outlay(runs: Mapping[str, Run]) -> Outlay:
        packs = propose_packs(runs, execution, num_workers, costs)
        estimate = estimate_packs(packs, runs, execution, num_workers, costs)
        return Outlay(
            num_runs=len(runs),
            num_updates=sum(run.num_updates for run in runs.values()),
            num_unknown=sum(
                len(pack.keys) for pack, known in zip(packs, estimate.packs, strict=True) if known is None
            ),
            device_hours=None if estimate.device_s is None else estimate.device_s / 3600,
        )

    return Outlook(
        scale=scale,
        device=costs.device.name,
        device_kind=costs.device.kind,
        sweeps={name: outlay(runs) for name, runs in runs_of.items()},
        together=outlay(every),
    )
