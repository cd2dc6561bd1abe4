"""The Hydra application behind ``sgdlab train``: same planner and launcher as sweeps."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from sgdlab.config.compose import open_composer
from sgdlab.config.composed import first_paragraph
from sgdlab.config.folders import shipped_folder
from sgdlab.errors import UsageError
from sgdlab.orchestration.ad_hoc import train_ad_hoc

_OTHER_CONFIG = ("--config-name", "-cn", "--config-path", "-cp", "--config-dir", "-cd")


def hydra_main() -> None:
    """Parse ``sys.argv`` as Hydra does, and train; -m hands over to the sweeper in `hydra_plugins`.

    Raises
    ------
    UserError
        If an argument isn't valid, or a run failed.
    """
    _refuse_other_config(sys.argv[1:])
    asked: list[list[str]] = []  # stays empty where Hydra only shows something, and where its sweeper trains

    def ask(_config: DictConfig) -> None:
        asked.append(list(HydraConfig.get().overrides.task))

    conf = str(shipped_folder("conf"))
    with _plain_errors():
        hydra.main(config_path=conf, config_name="config", version_base="1.3")(ask)()
    for overrides in asked:
        train_overrides(overrides)


def train_overrides(overrides: Sequence[str]) -> None:
    """Train every combination of the overrides' values; each is composed and validated first."""
    with open_composer() as composer:
        train_ad_hoc(composer, composer.parse(override.lstrip("+") for override in overrides))


def _refuse_other_config(arguments: Sequence[str]) -> None:
    for argument in arguments:
        if argument.partition("=")[0] in _OTHER_CONFIG:
            raise UsageError(f"{argument}: there is one configuration; your own files in ./conf come first")


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn Hydra's refusals into usage errors; by itself it prints them, some with a traceback, and exits."""
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # makes Hydra raise
    try:
        yield
    except Exception as error:
        if isinstance(error, HydraException | OmegaConfBaseException) or _raised_by_hydra(error):
            raise UsageError(first_paragraph(error).replace("'++", "'")) from error
        raise
    finally:
        if before is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = before


def _raised_by_hydra(error: Exception) -> bool:
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals["__name__"]).startswith("hydra.")
