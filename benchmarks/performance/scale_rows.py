"""A hundred thousand runs: how long planning, looking, and collecting results take."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from importlib.util import find_spec

from performance.rows import Missing, Row, RowSpec

_MAX_MB = 500.0
_SECONDS = {"plan": 10.0, "status": 2.0, "results": 10.0}


@dataclass(frozen=True)
class ScaleGroup:
    """The commands that see all runs."""

    num_runs: int = 100_000
    name: str = "scale"

    @property
    def specs(self) -> list[RowSpec]:
        """Return the rows: seconds and memory of each command."""
        return [spec for command in _SECONDS for spec in self._specs_of(command)]

    def measure(self, wanted: Collection[str]) -> list[Row | Missing]:
        """Measure the wanted rows."""
        specs = [spec for spec in self.specs if spec.name in wanted]
        if find_spec("bench_scale") is None:
            return [Missing(spec, "benchmarks/bench_scale.py isn't there") for spec in specs]
        raise NotImplementedError

    def _specs_of(self, command: str) -> tuple[RowSpec, RowSpec]:
        work = f"sgdlab {command}, {self.num_runs:,} runs"
        return (
            RowSpec(f"scale-{command}", work, "–", _SECONDS[command], "lower", "s"),
            RowSpec(f"scale-{command}-memory", work, "–", _MAX_MB, "lower", "MB"),
        )
