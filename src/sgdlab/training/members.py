"""The members of a population: runs in training, each by its own clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from sgdlab.config.schema import Run
from sgdlab.diagnostics.curvature.eigenpairs import Eigenpairs
from sgdlab.training.recorder import Recorder
from sgdlab.training.schedules import relative_to


@dataclass
class Member:
    """One run in training: how far it is, and what was measured of it."""

    key: str
    run: Run
    update: int = 0  # parameter updates made
    diverged_at: int | None = None  # update with the first non-finite loss
    recorder: Recorder = field(default_factory=Recorder)
    start: Mapping[str, Tensor] | None = None  # state to go on from; None: the one that the seed draws
    top: Eigenpairs | None = None  # of the Hessian as last measured: where the next measurement starts

    def __post_init__(self) -> None:
        self.num_updates = self.run.num_updates
        self.evaluate_every = self.run.evaluate_every_num_updates
        self.schedule = relative_to(self.run.optimizer.lr, self.run.schedule)

    @classmethod
    def from_state(cls, key: str, run: Run, state: Mapping[str, Any]) -> Self:
        """Rebuild the member whose `state` a checkpoint holds."""
        recorder = Recorder.from_state(state["recorder"])
        top = Eigenpairs(**state["top"]) if state.get("top") else None
        return cls(key, run, state["update"], recorder=recorder, start=state["parameters"], top=top)

    def state(self, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
        """Return what a checkpoint holds of the member, its `State` by names included."""
        state = {"update": self.update, "recorder": self.recorder.state(), "parameters": dict(tensors)}
        return state | ({"top": vars(self.top)} if self.top else {})

    @property
    def has_ended(self) -> bool:
        """Whether it is done or has diverged."""
        return self.diverged_at is not None or self.update >= self.num_updates

    @property
    def is_due(self) -> bool:
        """Whether it is at an evaluation of its grid, or at its end, and has not diverged."""
        is_on_grid = self.update % self.evaluate_every == 0 or self.update == self.num_updates
        return is_on_grid and self.diverged_at is None

    @property
    def num_updates_to_evaluation(self) -> int:
        """Updates to make until it is due again."""
        next_on_grid = (self.update // self.evaluate_every + 1) * self.evaluate_every
        return min(next_on_grid, self.num_updates) - self.update


def load_states(checkpoint: Path) -> dict[str, dict[str, Any]]:
    """Read the states of a checkpoint's members: key → `Member.state`."""
    states: dict[str, dict[str, Any]] = torch.load(checkpoint, map_location="cpu", weights_only=True)[
        "members"
    ]
    return states
