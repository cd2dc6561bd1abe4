"""A hundred thousand runs: how long planning, looking, and collecting results take."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

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
        """Build a store of so many runs, and time the commands whose rows are wanted."""
        specs = [spec for spec in self.specs if spec.name in wanted]
        if find_spec("bench_scale") is None:
            return [Missing(spec, "benchmarks/bench_scale.py isn't there") for spec in specs]
        import bench_scale

        timers = {
            "plan": bench_scale.time_plan,
            "status": bench_scale.time_status,
            "results": bench_scale.time_results,
        }
        rows: list[Row | Missing] = []
        with tempfile.TemporaryDirectory(prefix="scale-") as folder:
            bench = bench_scale.Bench(Path(folder), self.num_runs)
            bench_scale.build(bench)
            for command, time_command in timers.items():
                timing = time_command(bench)  # all of them in their order: each warms the index for the next
                seconds, memory = self._specs_of(command)
                note = f"{timing.cpu_seconds:.1f} s of CPU time"
                rows += [Row.over_rounds(seconds, [timing.seconds], note)]
                rows += [Row.over_rounds(memory, [timing.peak_mb])]
        return [row for row in rows if row.spec.name in wanted]

    def _specs_of(self, command: str) -> tuple[RowSpec, RowSpec]:
        work = f"sgdlab {command}, {self.num_runs:,} runs"
        return (
            RowSpec(f"scale-{command}", work, "–", _SECONDS[command], "lower", "s"),
            RowSpec(f"scale-{command}-memory", work, "–", _MAX_MB, "lower", "MB"),
        )
