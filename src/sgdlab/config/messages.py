"""From a validation error to what a person needs: the key, its value, what is allowed, the nearest name."""

from __future__ import annotations

import difflib
import types
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails


def explain(error: ValidationError, model: type[BaseModel], source_of: Callable[[str], str]) -> str:
    """Write one line for each thing that is wrong; `source_of` tells where a key's value came from."""
    lines = []
    for detail in error.errors(include_url=False):
        key, known = _locate(model, detail["loc"])
        lines.append(f"{source_of(key)}: {_what(key, known, detail)}")
    return "\n".join(dict.fromkeys(lines))


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence: the nearest of the known names, and all of them."""
    candidates = sorted(known)
    matches = difflib.get_close_matches(name, candidates, n=1)
    meant = f" (did you mean {matches[0]}?)" if matches else ""
    return f"{meant}; known here: {', '.join(candidates)}" if candidates else meant


def _what(key: str, known: list[str], detail: ErrorDetails) -> str:
    value = detail["input"]
    message = detail["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:] if message[1:2].islower() else message
    match detail["type"]:
        case "extra_forbidden":
            return f"{key} is not a key{nearest(key.rpartition('.')[2], known)}"
        case "missing":
            return f"{key} is missing"
        case "union_tag_not_found":
            return f"{key}.kind is missing"
        case "union_tag_invalid":
            return f"{key}.kind={detail['ctx']['tag']}: allowed are {detail['ctx']['expected_tags']}"
        case "value_error":
            return f"{key}: {message}" if key else message
        case _:
            shown = repr(value) if len(repr(value)) < 80 else type(value).__name__
            return f"{key}={shown}: {message}"


def _locate(model: Any, location: Iterable[str | int]) -> tuple[str, list[str]]:
    """Return the dotted key without pydantic's variant tags, and the names known beside its last part."""
    parts: list[str] = []
    known: list[str] = []
    current = model
    for part in location:
        current = _unwrap(current)
        if isinstance(current, type) and issubclass(current, BaseModel):
            known = list(current.model_fields)
            field = current.model_fields.get(str(part))
            parts.append(str(part))
            current = field.annotation if field else None
        elif isinstance(current, tuple):  # a union: the part is the tag of one of its members
            members = [m for m in current if _tag(m) == part]
            current = members[0] if members else None
        elif get_origin(current) in (dict, list, tuple):
            parts.append(str(part))
            current = get_args(current)[-1]
        elif not parts or current is not None:
            parts.append(str(part))
    return ".".join(parts), known


def _unwrap(annotation: Any) -> Any:
    """Strip Annotated and Optional; return a union of several members as a tuple."""
    if get_origin(annotation) is Annotated:
        return _unwrap(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        members = tuple(member for member in get_args(annotation) if member is not type(None))
        return _unwrap(members[0]) if len(members) == 1 else members
    return annotation


def _tag(member: Any) -> Any:
    fields = getattr(member, "model_fields", {})
    return fields["kind"].default if "kind" in fields else None
