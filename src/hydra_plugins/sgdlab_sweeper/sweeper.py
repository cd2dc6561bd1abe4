"""The sweeper of ``sgdlab train -m``: hands Hydra's multirun to sgdlab's own planner and launcher."""

from __future__ import annotations

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class SgdlabSweeper(Sweeper):
    """Trains all combinations together, packed, instead of one process each."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take Hydra's parts; nothing of them is needed."""

    def sweep(self, arguments: list[str]) -> None:
        """Train every combination of the overrides' values."""
        from sgdlab.orchestration.hydra_app import train_overrides

        train_overrides([argument for argument in arguments if not argument.startswith("hydra.")])
