"""Drift: a stored run and a planned one have the same key, but not the same configuration.

The key leaves out what has its default. So when a default changes, what is planned under a key is no longer
what was trained under it. That is refused, and `sgdlab migrate` is the way out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from sgdlab.config.schema import Run
from sgdlab.errors import UserError

_ABSENT = object()


@dataclass(frozen=True)
class Difference:
    """A leaf of the configuration that was trained with one value and is planned with another."""

    path: str  # schedule.factor
    stored: str
    planned: str

    def __str__(self) -> str:
        return f"{self.path}: stored {self.stored}, planned {self.planned}"


class DriftError(UserError):
    """A stored run isn't the run that is planned under its key."""


def find_drift(stored: Mapping[str, Any], planned: Mapping[str, Any]) -> list[Difference]:
    """Return where two full configurations of the same key differ.

    A field that only one side has is no drift if it has the default that the schema gives the other side:
    such a field was added since, with the old behaviour as its default.
    """
    left, right = dict(_leaves(stored)), dict(_leaves(planned))
    completed_left = {**_defaults_filled(stored), **left}
    completed_right = {**_defaults_filled(planned), **right}
    differences = []
    for path in sorted(left.keys() | right.keys()):
        ours, theirs = completed_left.get(path, _ABSENT), completed_right.get(path, _ABSENT)
        if ours != theirs:
            differences.append(Difference(path, _text(ours), _text(theirs)))
    return differences


def refuse_drift(key: str, stored: Mapping[str, Any], planned: Mapping[str, Any]) -> None:
    """Refuse to take a stored run for a planned one that differs from it.

    Raises
    ------
    DriftError
        If there is a difference; it lists every one.
    """
    differences = find_drift(stored, planned)
    if [difference.path for difference in differences] == ["model.source_sha256"]:
        raise DriftError(
            f"the file of model.network={planned['model']['network']!r} has changed since run {key} was "
            "trained: raise model.revision, so that runs of the new one have keys of their own, or put the "
            "file back"
        )
    if differences:
        raise DriftError(
            f"the stored run {key} isn't the one that is planned under this key:\n"
            + "".join(f"  {difference}\n" for difference in differences)
            + "A default has changed since it was trained. `sgdlab migrate` gives stored runs the key that "
            "states the old value; then plan again"
        )


def _leaves(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", list(value) if isinstance(value, tuple) else value


def _defaults_filled(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the leaves of a configuration with the schema's defaults; none where the schema refuses it."""
    try:
        return dict(_leaves(Run.model_validate(config).model_dump(mode="json")))
    except ValidationError:
        return {}


def _text(value: Any) -> str:
    return "nothing" if value is _ABSENT else repr(value)
