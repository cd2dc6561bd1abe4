"""The Hydra application behind ``sgdlab train``: same planner and launcher as sweeps."""

from __future__ import annotations

from collections.abc import Sequence

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from sgdlab.config.compose import open_composer
from sgdlab.config.folders import shipped_folder
from sgdlab.dashboard.ad_hoc import train_ad_hoc


def hydra_main() -> None:
    """Parse ``sys.argv`` as Hydra does; -m hands over to the sweeper in `hydra_plugins`."""
    conf = str(shipped_folder("conf"))
    hydra.main(config_path=conf, config_name="config", version_base="1.3")(_train_one)()


def _train_one(_config: DictConfig) -> None:
    overrides = HydraConfig.get().overrides.task
    train_overrides(list(overrides))


def train_overrides(overrides: Sequence[str]) -> None:
    """Train every combination of the overrides' values; each is composed and validated first."""
    with open_composer() as composer:
        train_ad_hoc(composer, composer.parse(overrides))
