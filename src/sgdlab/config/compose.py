"""From choices and values to one validated configuration. Hydra composes; the schema judges.

A *choice* picks an option of a Hydra group (``data=digits``), a *value* sets one key
(``optimizer.lr=2**-6``). Choices are composed by Hydra, about 70 ms each set; values are then set on what it
composed, so that a sweep over plain values composes once, and validates each component once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString, Transformer
from hydra.errors import HydraException
from pydantic import ValidationError

from sgdlab.config.composed import BrokenConfError, Composed, compose_choices, first_paragraph
from sgdlab.config.custom_network import check_network
from sgdlab.config.execution import Execution
from sgdlab.config.folders import search_folders
from sgdlab.config.messages import explain, nearest_key
from sgdlab.config.models import CustomModel
from sgdlab.config.schema import Run, validate_component
from sgdlab.errors import UsageError

Overrides = dict[str, Any]
M = TypeVar("M", Run, Execution)
_ChosenOptions = tuple[tuple[str, str], ...]
_Items = tuple[tuple[str, Any], ...]


class Choices(list[Any]):
    """Several values of one key, as a comma list gives them: an axis, not a value that is a list."""


@dataclass
class Composer:
    """Hydra, opened once; use `open_composer`."""

    groups: frozenset[str]
    _composed: dict[_ChosenOptions, Composed] = field(default_factory=dict)
    _parts: dict[tuple[_ChosenOptions, str, str], Any] = field(default_factory=dict)
    _plain: dict[_ChosenOptions, dict[str, Any]] = field(default_factory=dict)

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
                    f"{text!r} is not an override: write key=value, as in optimizer.lr=2**-6 "
                    f"({first_paragraph(error)})"
                ) from error
            if override.is_delete() or override.package is not None:
                raise UsageError(f"{text!r}: keys can be set (key=value), not deleted or moved")
            parsed[override.key_or_group] = _value_of(override)
        return parsed

    def is_choice(self, key: str) -> bool:
        """Whether a key names a group of options rather than a value."""
        return key in self.groups

    def compose(self, overrides: Overrides) -> dict[str, Any]:
        """Compose the choices among `overrides` and set the values; nothing is validated yet.

        Raises
        ------
        UsageError
            If a key or an option isn't there, or something in conf/ is computed from a key that is set.
        """
        chosen, below = self._split(overrides)
        composed = self._compose_choices(chosen)
        return {
            name: composed.with_values(name, below.get(name, ())) for name in {**composed.values, **below}
        }

    def compose_run(self, overrides: Overrides) -> dict[str, Any]:
        """Compose what a run is made of, quickly where many runs have parts in common.

        A component that is valid by itself comes validated, and the same object for all runs that have it;
        one that isn't comes as its values, like everything else, for the schema to judge.
        """
        chosen, below = self._split(overrides)
        plain = self._plain.get(chosen)  # the parts that nothing is set in
        if plain is None:
            plain = self._plain[chosen] = {name: self._part(chosen, name, ()) for name in Run.model_fields}
        changed = {name: self._part(chosen, name, items) for name, items in below.items() if name in plain}
        return {**plain, **changed}

    def source_of(self, key: str, overrides: Overrides, origin: str) -> str:
        """Say where a key's value came from: `origin` if an override touched it, else its file."""
        for overridden in overrides:
            is_part = f"{overridden}.".startswith(f"{key}.") or f"{key}.".startswith(f"{overridden}.")
            if not key or (is_part and not self.is_choice(overridden)):
                return origin
        chosen, _ = self._split(overrides)
        return self._compose_choices(chosen).files.get(key.partition(".")[0], "conf/config.yaml")

    def _split(self, overrides: Overrides) -> tuple[_ChosenOptions, dict[str, _Items]]:
        """Split overrides into options that they choose and, by top-level name, values that they set."""
        chosen: list[tuple[str, str]] = []
        below: dict[str, _Items] = {}
        for key, value in overrides.items():
            name = key.partition(".")[0]
            if name not in _KNOWN:
                raise UsageError(f"{key} is not a key{nearest_key(key, Run, Execution)}")
            if not self.is_choice(key):
                below[name] = (*below.get(name, ()), (key, value))
            elif isinstance(value, str):
                chosen.append((key, value))
            else:
                raise UsageError(
                    f"{key}={value!r}: {key} picks an option by its name; a value is set as {key}.NAME"
                )
        return tuple(sorted(chosen)), below

    def _compose_choices(self, chosen: _ChosenOptions) -> Composed:
        if chosen not in self._composed:
            composed = compose_choices(chosen)
            for name in composed.values:
                if name not in _KNOWN:
                    raise BrokenConfError(f"conf/: {name} is not a key{nearest_key(name, Run, Execution)}")
            self._composed[chosen] = composed
        return self._composed[chosen]

    def _part(self, chosen: _ChosenOptions, name: str, items: _Items) -> Any:
        known = (chosen, name, repr(items))  # tells 1, 1.0, True and "1" apart, and takes lists
        part = self._parts.get(known)
        if part is None:
            part = self._compose_choices(chosen).with_values(name, items)
            try:
                part = validate_component(name, part)
            except ValidationError:
                return part
            if isinstance(part, CustomModel):
                source = check_network(part.network, part.options)
                part = part.model_copy(update={"source_sha256": source.sha256})
            self._parts[known] = part
        return part


@contextmanager
def open_composer() -> Iterator[Composer]:
    """Open Hydra on the user's ``./conf`` and the shipped one; what was open before is so again."""
    hydra = GlobalHydra.instance()
    outer, hydra.hydra = hydra.hydra, None
    try:
        with initialize_config_dir(config_dir=str(search_folders("conf")[-1]), version_base="1.3"):
            groups = (group for group in hydra.config_loader().list_groups("") if group != "hydra")
            yield Composer(frozenset(groups))
    finally:
        GlobalHydra.instance().hydra = outer  # Hydra may have put another instance in its place


def validate_run(composer: Composer, overrides: Overrides, origin: str = "command line") -> Run:
    """Compose and validate what a run is; `origin` is where the overrides come from.

    Raises
    ------
    UsageError
        With a line for each key that is wrong: where its value came from, what is allowed.
    """
    return _validate(Run, composer.compose_run, composer, overrides, origin)


def validate_execution(composer: Composer, overrides: Overrides, origin: str = "command line") -> Execution:
    """Compose and validate how runs are carried out; raises as `validate_run` does."""
    return _validate(Execution, composer.compose, composer, overrides, origin)


_KNOWN = frozenset({**Run.model_fields, **Execution.model_fields})


def _validate(
    model: type[M],
    compose: Callable[[Overrides], dict[str, Any]],
    composer: Composer,
    overrides: Overrides,
    origin: str,
) -> M:
    try:
        values = compose(overrides)
    except BrokenConfError:
        raise
    except UsageError as error:
        raise UsageError(f"{origin}: {error}") from error
    try:
        return model.model_validate({name: values[name] for name in model.model_fields if name in values})
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
