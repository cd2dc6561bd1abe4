"""What Hydra makes of a set of choices, and how single values are set on it afterwards.

Setting values on the composed dictionary equals composing again with them, as long as nothing in conf/ is
computed from a key that is set. Whether something is, OmegaConf itself is asked: see `Composed.refuse_fed`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hydra import compose
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from sgdlab.config.messages import nearest
from sgdlab.errors import UsageError

_OPTION = re.compile(r"[\w./-]+")
_PROBE = "a value that no configuration has"


class BrokenConfError(UsageError):
    """A file in conf/ can't be read or resolved; no override is to blame."""


@dataclass(frozen=True)
class Composed:
    """Plain values with interpolations resolved, and where they came from."""

    values: Mapping[str, Any]
    files: Mapping[str, str]  # group → the file that its values came from
    _unresolved: DictConfig
    _independent: set[str] = field(default_factory=set)  # keys that nothing is computed from

    def with_values(self, name: str, items: Iterable[tuple[str, Any]]) -> Any:
        """Return a copy of one top-level entry with values set below it, or in its place.

        Raises
        ------
        UsageError
            If something else in conf/ is computed from one of the keys, or a key leads through a value.
        """
        values = {name: copy.deepcopy(self.values[name])} if name in self.values else {}
        for key, value in items:
            set_value(values, key, value)
            self._refuse_fed(key)
        return values.get(name, {})

    def _refuse_fed(self, key: str) -> None:
        """Set a probe in the place of the key's value, and refuse the key if anything else changes."""
        if key in self._independent:
            return
        expected = copy.deepcopy(dict(self.values))
        set_value(expected, key, _PROBE)
        probed = copy.deepcopy(self._unresolved)
        OmegaConf.update(probed, key, _PROBE, force_add=True)
        try:
            changed = OmegaConf.to_container(probed, resolve=True) != expected
        except OmegaConfBaseException:
            changed = True
        if changed:
            raise UsageError(f"{key} can't be set here: an interpolation in conf/ reads it")
        self._independent.add(key)


def compose_choices(choices: tuple[tuple[str, str], ...]) -> Composed:
    """Compose options of groups by Hydra; about 70 ms.

    Raises
    ------
    UsageError
        If there is no such option.
    BrokenConfError
        If a file in conf/ can't be read or resolved.
    """
    try:
        for group, option in choices:
            if not _OPTION.fullmatch(option):  # Hydra would read lists and interpolations in it
                raise UsageError(f"{group}={option}: an option is named by a word")
        config = compose("config", [f"{key}={value}" for key, value in choices], return_hydra_config=True)
        chosen = dict(config.hydra.runtime.choices)
        OmegaConf.set_struct(config, False)
        config.pop("hydra")
        values = OmegaConf.to_container(config, resolve=True)
    except MissingConfigException as error:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        text = f"{group}={option}: there is no such option{nearest(option, error.options or ())}"
        raise UsageError(text) from error
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        raise BrokenConfError(f"conf/: {first_paragraph(error)}") from error
    files = {group: f"conf/{group}/{option}.yaml" for group, option in chosen.items()}
    return Composed(values, files, config)  # type: ignore[arg-type]


def set_value(values: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key in nested dictionaries; like Hydra, merge a mapping into the one that is there."""
    *parents, last = key.split(".")
    for parent in parents:
        below = values.setdefault(parent, {})
        if not isinstance(below, dict):
            raise UsageError(f"{key} can't be set: {parent} is a value, not a group of keys")
        values = below
    if isinstance(value, dict) and isinstance(values.get(last), dict):
        for name, entry in value.items():
            set_value(values[last], str(name), entry)
    else:
        values[last] = value


def first_paragraph(error: Exception) -> str:
    """Return Hydra's or OmegaConf's message as one line, without search paths, links and types."""
    text = str(error)
    for tail in ("\nConfig search path", "\nSet the environment", "\nSee https", "\n    object_type="):
        text = text.split(tail)[0]
    return " ".join(text.replace("full_key:", "at").split())
