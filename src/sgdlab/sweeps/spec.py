"""The schema of a sweep: one figure of a paper at one scale, every patch merged, ready to be planned."""

from __future__ import annotations

import itertools
import operator
from typing import Literal, Self

from pydantic import Field, model_validator

from sgdlab.config.fields import Component, PositiveInt
from sgdlab.sweeps.any_claim import Claim
from sgdlab.sweeps.drawings import Drawing
from sgdlab.sweeps.extending import Extending, ExtendingField
from sgdlab.sweeps.grids import Panel
from sgdlab.sweeps.references import Reference, refuse_metric

Seeds = Literal["all", "claims", "halving"]
"""Which points get all seeds: every one; those on which an undecided claim hangs; those that may be best."""

_FEWEST_FOR_AN_INTERVAL = 3


class Protocol(Component):
    """How many runs a point has, which are kept, and what one run's value is."""

    num_seeds: PositiveInt = 7
    keep: PositiveInt = 5  # mean over the best `keep` of `num_seeds`
    rank_by: str = "test_accuracy.best"  # the metric by which runs are ranked
    seeds: Seeds = "all"  # claims, halving: some points get fewer, as their first ones say
    first: PositiveInt | None = None  # seeds of every point before anything is decided
    step: PositiveInt = 1  # seeds in a round, of seeds: claims

    @property
    def looks(self) -> tuple[int, ...]:
        """How many seeds points have each time that it is decided which of them get more; last, all."""
        match self.seeds:
            case "all":
                return (self.num_seeds,)
            case "claims":
                first = self.first or max(self.keep, _FEWEST_FOR_AN_INTERVAL)
                return (*range(first, self.num_seeds, self.step), self.num_seeds)
            case "halving":
                rungs = itertools.accumulate(itertools.repeat(2), operator.mul, initial=self.first or 2)
                return (*itertools.takewhile(lambda rung: rung < self.num_seeds, rungs), self.num_seeds)

    @model_validator(mode="after")
    def _keep_at_most_all(self) -> Self:
        if self.keep > self.num_seeds:
            raise ValueError(f"protocol.keep={self.keep} is more than protocol.num_seeds={self.num_seeds}")
        refuse_metric("protocol.rank_by", self.rank_by)
        return self

    @model_validator(mode="after")
    def _rounds_begin_with_enough(self) -> Self:
        if self.seeds != "claims" and self.step != 1:
            raise ValueError("protocol.step is for protocol.seeds=claims")
        if self.first is None:
            return self
        if self.seeds == "all":
            raise ValueError("protocol.first is for protocol.seeds=claims or halving")
        least = 2 if self.seeds == "halving" else max(self.keep, _FEWEST_FOR_AN_INTERVAL)
        if not least <= self.first <= self.num_seeds:
            raise ValueError(
                f"protocol.first={self.first}: with protocol.seeds={self.seeds} a point begins with "
                f"{least} to protocol.num_seeds={self.num_seeds} seeds"
            )
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
    def _seeds_depend_on_something(self) -> Self:
        if self.protocol.seeds == "claims" and not self.claims:
            raise ValueError("protocol.seeds=claims adds seeds until claims are decided, and there are none")
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
