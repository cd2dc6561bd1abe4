"""The schema of a sweep: one figure of a paper at one scale, every patch merged, ready to be planned."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from sgdlab.config.fields import Component, PositiveInt
from sgdlab.sweeps.any_claim import Claim
from sgdlab.sweeps.drawings import Drawing
from sgdlab.sweeps.extending import Extending, ExtendingField
from sgdlab.sweeps.grids import Panel
from sgdlab.sweeps.references import Reference, refuse_metric


class Protocol(Component):
    """How many runs a point has, which are kept, and what one run's value is."""

    num_seeds: PositiveInt = 7
    keep: PositiveInt = 5  # mean over the best `keep` of `num_seeds`
    rank_by: str = "test_accuracy.best"  # the metric by which runs are ranked

    @model_validator(mode="after")
    def _keep_at_most_all(self) -> Self:
        if self.keep > self.num_seeds:
            raise ValueError(f"protocol.keep={self.keep} is more than protocol.num_seeds={self.num_seeds}")
        refuse_metric("protocol.rank_by", self.rank_by)
        return self


class Sweep(Component):
    """A sweep at one scale."""

    name: str  # smith2021/fig1b
    source: str = "sweep"  # what messages call it: sweeps/smith2021/fig1b.yaml, and what overrides it
    paper: str
    figure: str
    title: str
    scale: str
    notes: list[str] = []  # what was assumed, scaled down, and how settings were chosen
    protocol: Protocol = Protocol()
    panels: dict[str, Panel] = Field(min_length=1)
    drawing: Drawing
    claims: list[Claim] = []
    extend: ExtendingField = Extending()

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        for name, panel in self.panels.items():
            for reference in self.references(name):
                reference.refuse_dangling(name, panel)
        return self

    @model_validator(mode="after")
    def _drawn_seed_is_asked_for(self) -> Self:
        seed, num_seeds = self.drawing.seed, self.protocol.num_seeds
        if seed is not None and seed >= num_seeds:
            raise ValueError(
                f"drawing.seed={seed}, and protocol.num_seeds={num_seeds} are 0 … {num_seeds - 1}"
            )
        return self

    @model_validator(mode="after")
    def _limits_are_of_axes(self) -> Self:
        axes = {axis for panel in self.panels.values() for grid in panel.grids.values() for axis in grid.axes}
        for axis in self.extend.limits:
            if axis not in axes:
                raise ValueError(
                    f"extend.limits: {axis} is no axis of this sweep; its axes: {', '.join(sorted(axes))}"
                )
        return self

    def references(self, panel: str) -> list[Reference]:
        """Return what the drawing and the claims about a panel refer to."""
        references = self.drawing.references()
        for index, claim in enumerate(self.claims):
            if claim.panels is None or panel in claim.panels:
                references += claim.references(f"claims[{index}]")
        return references
