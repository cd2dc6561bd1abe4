"""The stored table: written, read, and compared with, so that nothing gets slower unnoticed."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from performance.rows import Missing, Row, RowSpec, Variant

RESULTS = Path(__file__).parents[1] / "results"
STORED, WORSE = RESULTS / "performance.json", RESULTS / "performance.worse.json"
TOLERANCE = 0.15  # a ratio may get worse by so much before it is called worse


@dataclass(frozen=True)
class Table:
    """Everything that one run of the benchmark measured."""

    machine: dict[str, str]
    rows: tuple[Row | Missing, ...]
    variants: tuple[Variant, ...]

    @property
    def measured(self) -> list[Row]:
        """Return the rows that have a value."""
        return [row for row in self.rows if isinstance(row, Row)]

    def to_json(self) -> str:
        """Return what `read` reads."""
        rows = [{"kind": "row" if isinstance(row, Row) else "missing", **asdict(row)} for row in self.rows]
        content = {"machine": self.machine, "rows": rows, "variants": [asdict(v) for v in self.variants]}
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def read(path: Path) -> Table:
    """Read a stored table."""
    content = json.loads(path.read_text(encoding="utf-8"))
    rows: list[Row | Missing] = []
    for values in content["rows"]:
        kind, spec = values.pop("kind"), RowSpec(**values.pop("spec"))
        rows.append(Row(spec, **values) if kind == "row" else Missing(spec, **values))
    variants = tuple(Variant(**values) for values in content["variants"])
    return Table(content["machine"], tuple(rows), variants)


def worsened(before: Table, now: Sequence[Row | Missing], asked_for: Collection[str]) -> list[str]:
    """Return a line for each ratio that got worse by more than the tolerance, or is no longer measured.

    Seconds and megabytes are left out: they belong to a machine, and the next one may be slower.
    """
    values = {row.spec.name: row for row in now if isinstance(row, Row)}
    lines = []
    for row in before.measured:
        name = row.spec.name
        if row.spec.unit != "×" or name not in asked_for:
            continue
        current = values.get(name)
        if current is None:
            lines.append(f"{name}: {row.value:.3g} before, not measured now")
            continue
        is_higher_better = current.spec.better == "higher"
        factor = row.value / current.value if is_higher_better else current.value / row.value
        if factor > 1 + TOLERANCE:
            lines.append(
                f"{name}: {row.value:.3g} before, {current.value:.3g} now, {factor - 1:.0%} worse"
                f" ({current.spec.better} is better)"
            )
    return lines
