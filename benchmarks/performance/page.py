"""The page `docs/performance.md`, and the table in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path

from rich.console import Console
from rich.table import Table as TerminalTable

from performance.picture import draw
from performance.rows import Missing, Row, RowSpec, Variant
from performance.stored import TOLERANCE, Table

_DOCS = Path(__file__).parents[2] / "docs"
PAGE, PICTURE = _DOCS / "performance.md", _DOCS / "images" / "performance.svg"
_HEADINGS = ("row", "work", "against", "target", "measured", "rounds", "reached")
_VARIANT_HEADINGS = ("work", "variant", "µs a run and update", "rounds")


def write(table: Table) -> None:
    """Write the page and its picture."""
    PICTURE.parent.mkdir(exist_ok=True)
    draw(table.variants, PICTURE)
    text = files("performance").joinpath("page.template").read_text(encoding="utf-8")
    rows = [_cells(row) for row in table.rows]
    filled = {
        "machine": "\n".join(f"| {key} | {value} |" for key, value in table.machine.items()),
        "rows": _markdown(_HEADINGS, [(f"`{name}`", *cells) for name, *cells in rows]),
        "notes": "\n".join(_notes(table.rows)),
        "short": "\n".join(_what_falls_short(table)) or "Nothing: every target above is reached.",
        "variants": _markdown(_VARIANT_HEADINGS, [_variant_cells(variant) for variant in table.variants]),
        "tolerance": f"{TOLERANCE:.0%}",
    }
    for key, value in filled.items():
        text = text.replace(f"<!-- {key} -->", value)
    PAGE.write_text(text, encoding="utf-8")


def show(table: Table, console: Console) -> None:
    """Print the rows, and what each variant took."""
    rows = [_cells(row) for row in table.rows]
    _print(("row", "against", *_HEADINGS[3:]), [(cells[0], *cells[2:]) for cells in rows], console)
    if table.variants:
        _print(_VARIANT_HEADINGS, [_variant_cells(variant) for variant in table.variants], console)
    for line in _notes(table.rows):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _print(headings: Sequence[str], rows: Iterable[Sequence[str]], console: Console) -> None:
    table = TerminalTable(box=None)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for cells in rows:
        table.add_row(*(cell.replace("**", "") for cell in cells))
    console.print(table)


def _cells(row: Row | Missing) -> tuple[str, ...]:
    spec = row.spec
    if isinstance(row, Missing):
        return (spec.name, spec.work, spec.against, _target(spec), "not measured", "", "")
    reached = {True: "yes", False: "**no**", None: ""}[row.is_reached]
    spread = f"{row.low:.3g} … {row.high:.3g}" if row.low != row.high else ""
    return (spec.name, spec.work, spec.against, _target(spec), _value(row.value, spec), spread, reached)


def _target(spec: RowSpec) -> str:
    if spec.target is None:
        return "report"
    return f"{'≥' if spec.better == 'higher' else '≤'} {spec.target:g} {spec.unit}"


def _value(value: float, spec: RowSpec) -> str:
    number = f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"
    return f"{number} {spec.unit}"


def _notes(rows: Iterable[Row | Missing]) -> list[str]:
    """Return a line for each row that has something to add."""
    notes = [(row.spec.name, row.reason if isinstance(row, Missing) else row.note) for row in rows]
    return [f"- `{name}`: {note}." for name, note in notes if note]


def _what_falls_short(table: Table) -> list[str]:
    """Return a line for each target that isn't reached: by how much."""
    lines = []
    for row in table.measured:
        if row.is_reached is False:
            target, value = _target(row.spec), _value(row.value, row.spec)
            lines.append(
                f"- `{row.spec.name}` ({row.spec.work}; {row.spec.against}): {value}, aimed at {target}."
            )
    return lines


def _variant_cells(variant: Variant) -> tuple[str, ...]:
    low, high = (f"{us:,.3g}" if us < 1000 else f"{us:,.0f}" for us in (variant.low, variant.high))
    spread = f"{low} … {high}" if low != high else ""
    return (variant.work, variant.label, f"{variant.us:,.1f}", spread)


def _markdown(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    return "\n".join(lines + ["| " + " | ".join(cells) + " |" for cells in rows])
