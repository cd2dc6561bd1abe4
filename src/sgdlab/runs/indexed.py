"""A run as the index knows it: what tables, figures and cost estimates need, without opening its folder."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from sgdlab.config.identity import config_digest
from sgdlab.runs.result import RunResult

State = Literal["done", "diverged", "damaged"]


class Summary(Mapping[str, float]):
    """Metric → value, in the space of the values alone: runs with the same metrics share their names."""

    __slots__ = ("_names", "_values")

    def __init__(self, names: tuple[str, ...], values: array[float]) -> None:
        self._names = names
        self._values = values

    @classmethod
    def of(cls, summary: Mapping[str, float | None]) -> Summary:
        """Return the finite values of a summary."""
        finite = {name: value for name, value in summary.items() if value is not None}
        return cls(tuple(finite), array("d", finite.values()))

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics."""
        return self._names

    @property
    def values_in_bytes(self) -> bytes:
        """The values as 64-bit floats of this machine, in the order of the names."""
        return self._values.tobytes()

    def __getitem__(self, name: str) -> float:
        try:
            return self._values[self._names.index(name)]
        except ValueError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return repr(dict(self))


@dataclass(frozen=True, slots=True)
class IndexedRun:
    """A published run. A damaged one has only its key and its state."""

    key: str
    state: State
    summary: Summary  # "test_accuracy.best" → value; finite values only
    config_digest: str = ""  # see `sgdlab.config.identity`
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
            summary=Summary.of(result.summary),
            config_digest=config_digest(result.config),
            num_updates=result.num_updates,
            diverged_at=result.diverged_at,
            shape=provenance.get("shape"),
            device=provenance.get("device"),
            pack_width=provenance.get("pack_width"),
            seconds_per_update=provenance.get("seconds_per_update"),
        )

    def to_detail(self) -> dict[str, Any]:
        """Write the run as an event of a journal carries it."""
        content = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**content, "summary": dict(self.summary)}

    @classmethod
    def from_detail(cls, detail: Mapping[str, Any]) -> IndexedRun:
        """Read what `to_detail` wrote; TypeError or KeyError where another version did."""
        return cls(**{**detail, "summary": Summary.of(detail["summary"])})
