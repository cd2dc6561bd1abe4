"""Claims about the curves of runs over training, and the evaluations of them that count."""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal

from sgdlab.sweeps.claims import ClaimBase
from sgdlab.sweeps.references import Reference, along_training
from sgdlab.sweeps.windows import Condition, Window


class TrainingClaim(ClaimBase):
    """One number of each run, from its curves over training; a seed's is the mean over the points meant."""

    grid: str
    at: Literal["all", "first", "last"] = "all"  # which points of the grid
    during: Window = Window()  # which evaluations; default: all of them

    @abstractmethod
    def metrics(self) -> dict[str, str]:
        """Return the metrics that the number itself is made of: where each is written → metric."""

    def references(self, where: str) -> list[Reference]:
        """Return the curves over training that are read."""
        own = [
            Reference(f"{where}.{place}", self.grid, metric, ("curve",))
            for place, metric in self.metrics().items()
        ]
        return own + along_training(f"{where}.during", self.grid, self.during)


class LevelClaim(TrainingClaim):
    """Mean or median of a metric over some evaluations of a run."""

    kind: Literal["level"] = "level"
    metric: str  # NAME.curve
    take: Literal["mean", "median"] = "mean"

    def metrics(self) -> dict[str, str]:
        """Return the metric."""
        return {"metric": self.metric}


class SlopeClaim(TrainingClaim):
    """Slope of the least-squares line of metric y on metric x over some evaluations of a run."""

    kind: Literal["slope"] = "slope"
    x: str  # NAME.curve
    y: str  # NAME.curve

    def metrics(self) -> dict[str, str]:
        """Return both metrics."""
        return {"x": self.x, "y": self.y}


class ShareClaim(TrainingClaim):
    """Of some evaluations of a run, the share at which a condition holds."""

    kind: Literal["share"] = "share"
    of: Condition

    def metrics(self) -> dict[str, str]:
        """Return the condition's metric."""
        return {"of": self.of.metric}
