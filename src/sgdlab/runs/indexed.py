"""A run as the index knows it: what tables, figures and cost estimates need, without opening its folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sgdlab.config.identity import canonical_json
from sgdlab.runs.result import RunResult


@dataclass(frozen=True, slots=True)
class IndexedRun:
    """A published run. A damaged one has only its key and its state."""

    key: str
    state: Literal["done", "diverged", "damaged"]
    summary: Mapping[str, float]  # "test_accuracy.best" → value; finite values only
    config_digest: str = ""  # see `config_digest`
    num_updates: int = 0
    diverged_at: int | None = None
    shape: str | None = None  # what decides the cost of an update
    device: str | None = None
    pack_width: int | None = None
    seconds_per_update: float | None = None  # wall seconds of one update of the whole pack

    @classmethod
    def of(cls, result: RunResult) -> IndexedRun:
        """Return what the index keeps of a result."""
        provenance = result.provenance
        return cls(
            key=result.key,
            state=result.state,
            summary={name: value for name, value in result.summary.items() if value is not None},
            config_digest=config_digest(result.config),
            num_updates=result.num_updates,
            diverged_at=result.diverged_at,
            shape=provenance.get("shape"),
            device=provenance.get("device"),
            pack_width=provenance.get("pack_width"),
            seconds_per_update=provenance.get("seconds_per_update"),
        )


def config_digest(config: Mapping[str, Any]) -> str:
    """Return a digest of a full configuration: where two are equal, there is no drift to look for."""
    return hashlib.sha256(canonical_json(config).encode()).hexdigest()[:32]
