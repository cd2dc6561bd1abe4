"""The result of a run, as published: one JSON file that names its curves and their checksum."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, TypedDict

from sgdlab.config.identity import SCHEMA_VERSION
from sgdlab.errors import UserError


class NoResultError(UserError):
    """A run isn't published."""


class DamagedRunError(UserError):
    """A file of a published run can't be read, or isn't what was published."""

    def __init__(self, path: object, problem: str) -> None:
        super().__init__(
            f"{path} is damaged: {problem}. To train this run again: sgdlab retry SWEEP --state damaged"
        )


class Provenance(TypedDict, total=False):
    """Where a result comes from. None of it is identity; a reader must bear that some are missing."""

    sgdlab_version: str
    commit: str | None  # with "+dirty" where the tree had changes
    torch_version: str
    device: str
    num_threads: int
    num_devices: int  # that shared each of its minibatches
    examples_per_pass: int | None  # of a device's share of one, at a time; None: all
    dtype: str
    pack_width: int  # slots of its pack: runs trained together, at most
    backend: str  # how their updates were computed
    shape: str  # runs with the same text cost the same per update at the same pack width
    seconds_per_update: float  # wall seconds of one update of the whole pack
    wall_s: float  # in its slot, in the attempt that finished it
    data_sha256: str
    attempt: str
    host: str
    finished_at: str  # ISO 8601, with the zone
    migrated_from: list[str]  # earlier keys, the oldest first


@dataclass(frozen=True)
class RunResult:
    """What a run came to. `Store.publish` fills in the files and the revisions."""

    key: str
    state: Literal["done", "diverged"]
    config: Mapping[str, Any]  # in full and normalised, as `Run.model_dump(mode="json")` gives it
    summary: Mapping[str, float | None]  # "test_accuracy.best" → value; None where it isn't finite
    num_updates: int  # made; fewer than planned where it diverged
    diverged_at: int | None  # the update after which a loss or a parameter wasn't finite
    provenance: Provenance
    schema_version: int = SCHEMA_VERSION
    curves_file: str = ""
    curves_sha256: str = ""
    weights_file: str | None = None
    revisions: Mapping[str, int] = field(default_factory=dict)  # of the components that have been revised

    def to_json(self) -> bytes:
        """Write the result; numbers that aren't finite become null, for JSON has no word for them."""
        return json.dumps(_finite(asdict(self)), allow_nan=False, ensure_ascii=False, indent=1).encode()

    @classmethod
    def from_json(cls, data: bytes) -> RunResult:
        """Read a result; fields that a later version has added are left out.

        Raises
        ------
        ValueError
            If `data` isn't a whole result.
        """
        content = json.loads(data)
        if not isinstance(content, dict):
            raise ValueError("it holds no result")
        known = {entry.name for entry in fields(cls)}
        try:
            result = cls(**{name: value for name, value in content.items() if name in known})
        except TypeError as error:
            raise ValueError(f"it holds no whole result: {error}") from error
        if result.state not in ("done", "diverged") or not isinstance(result.summary, dict):
            raise ValueError("it holds no result")
        return result


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
