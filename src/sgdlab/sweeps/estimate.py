"""What a plan is expected to take: told before, and kept in the plan to be held against what it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sgdlab.config.execution import Execution
from sgdlab.config.schema import Run
from sgdlab.sweeps.cost import WORKER_START_S, CostModel, PackEstimate
from sgdlab.sweeps.packs import Pack, makespan


@dataclass(frozen=True)
class Estimate:
    """The expected cost of packs on one device."""

    device: str
    num_workers: int
    packs: tuple[PackEstimate | None, ...]  # in the order of the plan's; None where nothing is known

    @property
    def is_known(self) -> bool:
        """Whether the cost of every pack is known."""
        return None not in self.packs

    @property
    def device_s(self) -> float | None:
        """Seconds of all workers together; None where the cost of a pack isn't known."""
        if not self.is_known:
            return None
        return self._num_busy * WORKER_START_S + sum(self._seconds)

    @property
    def wall_s(self) -> float | None:
        """Seconds until the last worker ends; None where the cost of a pack isn't known."""
        if not self.is_known:
            return None
        return (WORKER_START_S if self.packs else 0.0) + makespan(self._seconds, self.num_workers)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Estimate:
        """Read what `dataclasses.asdict` wrote; TypeError or KeyError where it isn't that."""
        packs = tuple(None if pack is None else PackEstimate(**pack) for pack in content["packs"])
        return cls(content["device"], content["num_workers"], packs)

    @property
    def _num_busy(self) -> int:
        return min(self.num_workers, len(self.packs))

    @property
    def _seconds(self) -> list[float]:
        return [pack.seconds for pack in self.packs if pack is not None]


def estimate_packs(
    packs: Sequence[Pack],
    runs: Mapping[str, Run],
    execution: Execution,
    num_workers: int,
    costs: CostModel,
) -> Estimate:
    """Ask the cost model for every pack."""
    statistics = execution.diagnostics.gradient_statistics
    estimates = (costs.estimate([runs[key] for key in pack.keys], statistics) for pack in packs)
    return Estimate(costs.device.name, num_workers, tuple(estimates))
