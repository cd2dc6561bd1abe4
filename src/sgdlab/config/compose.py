"""From choices and values to one validated configuration. Hydra composes; the schema judges.

A *choice* picks an option of a Hydra group (``data=digits``), a *value* sets one key
(``optimizer.lr=2**-6``). Choices are composed by Hydra, about 70 ms each set; values are then set on the
composed dictionary, so that a sweep over plain values composes once. That equals Hydra's own result as long
as no interpolation reads a key that is set, which is checked.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString, Transformer
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from sgdlab.config.execution import Execution
from sgdlab.config.folders import search_folders
from sgdlab.config.messages import explain, nearest
from sgdlab.config.schema import Run
from sgdlab.errors import UsageError

Overrides = dict[str, Any]
M = TypeVar("M", Run, Execution)


class Choices(list[Any]):
    """Several values of one key, as a comma list gives them: an axis, not a value that is a list."""


@dataclass(frozen=True)
class Composed:
    """What Hydra made of a set of choices: plain values, interpolations resolved."""

    values: dict[str, Any]
    files: Mapping[str, str]  # group → the file that its values came from
    interpolated_keys: frozenset[str]  # keys that some interpolation reads


@dataclass
class Composer:
    """Hydra, opened once; use `open_composer`."""

    groups: frozenset[str]
    _composed: dict[tuple[tuple[str, str], ...], Composed] = field(default_factory=dict)

    def parse(self, overrides: Iterable[str]) -> Overrides:
        """Parse overrides in Hydra's grammar into keys and values; a comma list becomes `Choices`.

        Raises
        ------
        UsageError
            If an override is not of the form ``key=value``.
        """
        parsed: Overrides = {}
        for text in overrides:
            try:
                override = OverridesParser.create().parse_override(text)
            except HydraException as error:
                raise UsageError(
                    f"{text!r} is not an override: write key=value, as in optimizer.lr=2**-6 ({error})"
                ) from error
            if override.is_delete() or override.package is not None:
                raise UsageError(f"{text!r}: keys can be set (key=value), not deleted or moved")
            parsed[override.key_or_group] = _value_of(override)
        return parsed

    def is_choice(self, key: str) -> bool:
        """Whether a key names a group of options rather than a value."""
        return key in self.groups

    def compose(self, overrides: Overrides) -> dict[str, Any]:
        """Compose the choices among `overrides` and set the values; nothing is validated yet."""
        choices = {key: str(value) for key, value in overrides.items() if self.is_choice(key)}
        composed = self._compose_choices(choices)
        values = copy.deepcopy(composed.values)
        for key, value in overrides.items():
            if key in choices:
                continue
            read = [k for k in composed.interpolated_keys if k == key or k.startswith(f"{key}.")]
            if read:
                raise UsageError(f"{key} can't be set here: an interpolation in conf/ reads {read[0]}")
            set_value(values, key, value)
        return values

    def source_of(self, key: str, overrides: Overrides, origin: str) -> str:
        """Say where a key's value came from: `origin` if an override touched it, else its file."""
        for overridden in overrides:
            touched = overridden == key or overridden.startswith(f"{key}.") or not key
            if touched or (key.startswith(f"{overridden}.") and not self.is_choice(overridden)):
                return origin
        choices = {k: str(v) for k, v in overrides.items() if self.is_choice(k)}
        return self._compose_choices(choices).files.get(key.partition(".")[0], "conf/config.yaml")

    def _compose_choices(self, choices: Mapping[str, str]) -> Composed:
        ordered = tuple(sorted(choices.items()))
        if ordered not in self._composed:
            self._composed[ordered] = _compose_with_hydra(ordered)
        return self._composed[ordered]


@contextmanager
def open_composer() -> Iterator[Composer]:
    """Open Hydra on the user's ``./conf`` and the shipped one."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=str(search_folders("conf")[-1]), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        groups = (group for group in loader.list_groups("") if group != "hydra")
        yield Composer(frozenset(groups))


def validate_run(composer: Composer, overrides: Overrides, origin: str = "command line") -> Run:
    """Compose and validate what a run is; `origin` is where the overrides come from.

    Raises
    ------
    UsageError
        With a line for each key that is wrong: where its value came from, what is allowed.
    """
    return _validate(Run, composer, overrides, origin)


def validate_execution(composer: Composer, overrides: Overrides, origin: str = "command line") -> Execution:
    """Compose and validate how runs are carried out; raises as `validate_run` does."""
    return _validate(Execution, composer, overrides, origin)


def set_value(values: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key in nested dictionaries."""
    *parents, last = key.split(".")
    for parent in parents:
        below = values.setdefault(parent, {})
        if not isinstance(below, dict):
            raise UsageError(f"{key} can't be set: {parent} is a value, not a group of keys")
        values = below
    values[last] = value


def first_paragraph(error: Exception) -> str:
    """Return Hydra's message without its list of search paths."""
    text = str(error).split("\nConfig search path")[0].split("\nSet the environment")[0]
    return " ".join(text.split())


def _validate(model: type[M], composer: Composer, overrides: Overrides, origin: str) -> M:
    values = composer.compose(overrides)
    known = {*Run.model_fields, *Execution.model_fields}
    for key in values:
        if key not in known:
            source = composer.source_of(key, overrides, origin)
            raise UsageError(f"{source}: {key} is not a key{nearest(key, known)}")
    try:
        return model.model_validate({key: values[key] for key in model.model_fields if key in values})
    except ValidationError as error:
        text = explain(error, model, lambda key: composer.source_of(key, overrides, origin))
        raise UsageError(text) from error


def _value_of(override: Override) -> Any:
    if override.is_sweep_override():
        if not (override.is_choice_sweep() or override.is_range_sweep()):
            raise UsageError(
                f"{override.input_line}: an axis is a comma list, pow2(low, high) or range(a, b)"
            )
        return Choices(_text_of(value) for value in override.sweep_iterator(Transformer.identity))
    return _text_of(override.value())


def _text_of(value: Any) -> Any:
    return value.text if isinstance(value, QuotedString) else value


def _compose_with_hydra(choices: tuple[tuple[str, str], ...]) -> Composed:
    try:
        config = compose("config", [f"{key}={value}" for key, value in choices], return_hydra_config=True)
        chosen = OmegaConf.to_container(config.hydra.runtime.choices)
        with_hydra = OmegaConf.to_container(config, resolve=False)
        interpolated = frozenset(_interpolated_keys({k: v for k, v in with_hydra.items() if k != "hydra"}))  # type: ignore[union-attr]
        OmegaConf.set_struct(config, False)
        config.pop("hydra")
        values = OmegaConf.to_container(config, resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(first_paragraph(error)) from error
    files = {str(group): _file_of(str(group), str(option)) for group, option in chosen.items()}  # type: ignore[union-attr]
    return Composed(values, files, interpolated)  # type: ignore[arg-type]


def _file_of(group: str, option: str) -> str:
    relative = Path("conf") / group / f"{option}.yaml"
    for folder in search_folders("conf"):
        if (folder.parent / relative).is_file():
            return str(relative)
    return str(relative)


def _interpolated_keys(values: Any) -> Iterator[str]:
    if isinstance(values, dict):
        for below in values.values():
            yield from _interpolated_keys(below)
    elif isinstance(values, list):
        for below in values:
            yield from _interpolated_keys(below)
    elif isinstance(values, str) and "${" in values:
        for piece in values.split("${")[1:]:
            name = piece.partition("}")[0]
            if ":" not in name:
                yield name
