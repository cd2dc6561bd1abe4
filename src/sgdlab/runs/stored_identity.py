"""The identity of a stored result, as the running code sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from sgdlab.config.identity import key_of
from sgdlab.config.schema import Run


def current_key(config: Mapping[str, Any], revisions: Mapping[str, int]) -> str | None:
    """Return the key that a stored configuration has today, or None if it has none.

    It has none where the schema no longer knows a field or a value, and where a component has been revised
    since: what was trained then isn't what that key stands for now.
    """
    try:
        run = Run.model_validate(config)
    except ValidationError:
        return None
    return key_of(run) if _raised_revisions(run) == revisions else None


def raised_revisions(config: Mapping[str, Any]) -> dict[str, int]:
    """Return the revision of each component of a configuration that has been revised: those above 1.

    Raises
    ------
    pydantic.ValidationError
        If the schema doesn't know the configuration.
    """
    return _raised_revisions(Run.model_validate(config))


def _raised_revisions(run: Run) -> dict[str, int]:
    revisions = {name: getattr(component, "revision", 1) for name, component in run.__dict__.items()}
    return {name: revision for name, revision in revisions.items() if revision > 1}
