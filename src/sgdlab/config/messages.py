"""From a validation error to what a person needs: the key, its value, what is allowed, the nearest name."""

from __future__ import annotations

import difflib
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails


def explain(error: ValidationError, model: type[BaseModel], source_of: Callable[[str], str]) -> str:
    """Write one line for each thing that is wrong; `source_of` tells where a key's value came from."""
    lines = []
    details = error.errors(include_url=False)
    wrong_items = {detail["loc"][:-1] for detail in details}
    for detail in details:
        if detail["type"] == "too_short" and detail["loc"] in wrong_items:
            continue  # only for want of the items that are wrong
        if detail["type"] == "default_factory_not_called":
            continue  # only for want of the values that the default follows from
        place = _locate(model, detail["loc"])
        lines.append(f"{source_of(place.key.partition('[')[0])}: {_what(place, detail)}")
    return "\n".join(dict.fromkeys(lines))


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence: the nearest of the known names, and all of them."""
    candidates = sorted(known)
    return f"{_meant(name, candidates)}; known here: {', '.join(candidates)}" if candidates else ""


def nearest_key(key: str, *models: type[BaseModel]) -> str:
    """Return the end of a sentence: the nearest dotted key of the models, by its end or by all of it."""
    keys = sorted({known for model in models for known in _keys_of(model)})
    by_end = [known for known in keys if known.rpartition(".")[2] == key.rpartition(".")[2]]
    if len(by_end) == 1:
        return f" (did you mean {by_end[0]}?)"
    groups = ", ".join(name for model in models for name in model.model_fields)
    return _meant(key, keys) or f"; known here: {groups}"


@dataclass(frozen=True)
class _Place:
    """Where a value belongs: its dotted key, the names known beside its end, and the variant around it."""

    key: str
    known: tuple[str, ...]
    variant: str | None  # the kind of the component that the value is in, where there are several
    others: tuple[str, ...]  # kinds of that component which have such a key


def _what(place: _Place, detail: ErrorDetails) -> str:
    key, value = place.key, detail["input"]
    message = detail["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:] if message[1:2].islower() else message
    match detail["type"]:
        case "extra_forbidden" if place.others:
            group, _, name = key.rpartition(".")
            options = " or ".join(f"{group}={kind}" for kind in place.others)
            return f"{key} is not a key: {group} is {place.variant}, and {options} has {name}"
        case "extra_forbidden":
            group, dot, name = key.rpartition(".")
            meant = _meant(name, place.known, prefix=group + dot)
            return f"{key} is not a key{meant}; known here: {', '.join(place.known)}"
        case "missing":
            return f"{key} is missing"
        case "union_tag_not_found":
            return f"{key}.kind is missing"
        case "union_tag_invalid":
            return f"{key}.kind={detail['ctx']['tag']}: allowed are {detail['ctx']['expected_tags']}"
        case "value_error" if not key or key in message:
            return message
        case "value_error" if isinstance(value, Mapping):
            return f"{key}: {message}"
        case "too_short":
            return f"{key} is empty"
        case other:
            shown = repr(value) if len(repr(value)) < 80 else type(value).__name__
            return f"{key}={shown}: {_EXPECTED.get(other, message)}"


_EXPECTED = {  # of pydantic's messages, those that don't say what to write
    "float_parsing": "input should be a number, such as 0.01, 2**-6 or 1/32",
    "float_type": "input should be a number, such as 0.01, 2**-6 or 1/32",
    "int_parsing": "input should be a whole number, such as 16 or 2**4",
    "int_type": "input should be a whole number, such as 16 or 2**4",
    "int_from_float": "input should be a whole number, such as 16 or 2**4",
    "tuple_type": "input should be a list, such as [64, 64]",
    "dict_type": "input should be a mapping of names to values",
    "model_type": "input should be a mapping of names to values",
    "model_attributes_type": "input should be a mapping of names to values",
}


def _meant(name: str, known: Iterable[str], prefix: str = "") -> str:
    matches = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {prefix}{matches[0]}?)" if matches else ""


def _locate(model: Any, location: Iterable[str | int]) -> _Place:
    """Follow pydantic's location, which names the tags of variants, too."""
    parts: list[str] = []
    known: tuple[str, ...] = ()
    variant: str | None = None
    members: tuple[Any, ...] = ()
    others: tuple[str, ...] = ()
    current = model
    for part in location:
        current = _unwrap(current)
        if isinstance(current, type) and issubclass(current, BaseModel):
            known = tuple(sorted(current.model_fields))
            variant = _tag(current) if members else None
            others = tuple(_tag(member) for member in members if part in member.model_fields)
            members = ()
            field = current.model_fields.get(str(part))
            parts.append(str(part))
            current = field.annotation if field else None
        elif isinstance(current, tuple):  # a union: the part is the tag of one of its members
            members = current
            current = next((member for member in members if _tag(member) == part), None)
        elif get_origin(current) in (list, tuple):
            parts[-1] += f"[{part}]"
            current = get_args(current)[0]
        elif get_origin(current) is dict:
            parts.append(str(part))
            current = get_args(current)[-1]
        elif not parts or current is not None:
            parts.append(str(part))
    return _Place(".".join(parts), known, variant, others)


def _keys_of(model: Any) -> Iterator[str]:
    """Yield every dotted key that a model can have, whichever variants are chosen."""
    for name, field in model.model_fields.items():
        annotation = _unwrap(field.annotation)
        members = annotation if isinstance(annotation, tuple) else (annotation,)
        for member in members:
            if isinstance(member, type) and issubclass(member, BaseModel):
                yield from (f"{name}.{below}" for below in _keys_of(member))
            else:
                yield name


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
