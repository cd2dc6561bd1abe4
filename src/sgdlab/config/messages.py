"""From a validation error to what a person needs: which key, what it was, what is allowed, the nearest name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails


def explain(error: ValidationError, source_of: Callable[[str], str]) -> str:
    """Write one line for each thing that is wrong; `source_of` tells where a key's value comes from."""
    lines = []
    for detail in error.errors(include_url=False):
        key = _key(detail)
        lines.append(f"{source_of(key)}: {_what(key, detail)}")
    return "\n".join(dict.fromkeys(lines))


def nearest(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean …?)", or what is known, as the end of a sentence."""
    candidates = sorted(known)
    matches = difflib.get_close_matches(name, candidates, n=1)
    allowed = f"; allowed here: {', '.join(candidates)}" if candidates else ""
    return f" (did you mean {matches[0]}?){allowed}" if matches else allowed


def field_names(model: Any, path: Iterable[str | int]) -> list[str]:
    """Return the keys that `model` knows at `path`; empty where that can't be told."""
    current = model
    for part in path:
        if isinstance(current, BaseModel) or (isinstance(current, type) and issubclass(current, BaseModel)):
            current = current.model_fields[str(part)].annotation
        else:
            return []
    return list(getattr(current, "model_fields", {}))


def _key(detail: ErrorDetails) -> str:
    """Join the location, leaving out the tags that pydantic puts in for a variant's kind."""
    parts = [str(part) for part in detail["loc"]]
    kinds = {"mnist1d", "digits", "mnist", "fashion_mnist", "cifar10", "mlp", "wide_resnet", "none"}
    kinds |= {"gradient_norm", "constant", "hold_then_decay", "epochs", "updates", "wandb"}
    kinds |= {"gain", "optimum_ratio", "trend", "difference", "collapse"}
    kept = [part for index, part in enumerate(parts) if not (part in kinds and 0 < index < len(parts))]
    return ".".join(kept)


def _what(key: str, detail: ErrorDetails) -> str:
    kind, value = detail["type"], detail["input"]
    message = detail["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden":
        known = detail.get("ctx", {}).get("known", [])
        return f"{key} is not a key{nearest(key.rpartition('.')[2], known)}"
    if kind == "missing":
        return f"{key} is missing"
    if kind == "value_error":
        return f"{key}: {message}" if key else message
    shown = repr(value) if len(repr(value)) < 80 else type(value).__name__
    return f"{key}={shown}: {message[0].lower()}{message[1:]}"
