"""Measure sgdlab beside what one would use instead, and write `docs/performance.md`.

    python benchmarks/bench.py                 everything; compared with the stored table, then stored
    python benchmarks/bench.py --only ROW …    these rows alone (or groups of them); nothing is written
    python benchmarks/bench.py --quick         everything once and small: does it run? Nothing is written
    python benchmarks/bench.py --list          the rows
    python benchmarks/bench.py --page          the page again, from the stored table

Ends with 1 where a ratio is worse than the stored one by more than 15 %.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from performance.timing import THREADS, own_cache

os.environ.update(THREADS)  # before torch, numpy and JAX are imported

from rich.console import Console

from performance import machine, page, stored
from performance.rows import Missing, Row, RowSpec, Variant
from performance.scale_rows import ScaleGroup
from performance.sweep_rows import SweepGroup
from performance.training_group import Effort
from performance.training_rows import training_groups

_FULL, _QUICK = Effort(num_rounds=5, s_per_call=0.5), Effort(num_rounds=1, s_per_call=0.02)
_SWEEP_ROUNDS = 2
_SMALL_SCALE = 1000
Measure = Callable[[set[str]], tuple[list[Row | Missing], list[Variant]]]


@dataclass(frozen=True)
class Section:
    """Rows that are measured together."""

    name: str
    specs: list[RowSpec]
    measure: Measure


def main() -> int:
    arguments = _parse_arguments()
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    console = Console(highlight=False)
    sections = all_sections(arguments.quick)
    if arguments.list:
        for spec in (spec for section in sections for spec in section.specs):
            console.print(f"{spec.name:24} {spec.work}; {spec.against}", soft_wrap=True, markup=False)
        return 0
    if arguments.page:
        page.write(stored.read(stored.STORED))
        return 0
    wanted = _wanted(arguments.only, sections)
    with tempfile.TemporaryDirectory(prefix="bench-cache-") as cache:
        os.environ.update(own_cache(Path(cache)))
        table = measure(sections, wanted, console)
    page.show(table, console)
    if arguments.quick:
        return 0
    before = stored.read(stored.STORED) if stored.STORED.exists() else None
    worse = stored.worsened(before, table.rows, wanted) if before else []
    for line in worse:
        console.print(f"WORSE  {line}", style="bold red", soft_wrap=True)
    if arguments.only:
        return 1 if worse else 0
    return _store(table, before, worse, arguments.accept, console)


def all_sections(is_quick: bool) -> list[Section]:
    """Return everything that is measured: whole commands first, so that torch isn't loaded beside them."""
    effort = _QUICK if is_quick else _FULL
    sweep = SweepGroup("smoke" if is_quick else "laptop")
    scale = ScaleGroup(_SMALL_SCALE if is_quick else 100_000)
    num_rounds = 1 if is_quick else _SWEEP_ROUNDS
    return [
        Section(sweep.name, sweep.specs, lambda wanted: (sweep.measure(wanted, num_rounds), [])),
        Section(scale.name, scale.specs, lambda wanted: (scale.measure(wanted), [])),
        *(
            Section(group.name, group.specs, lambda wanted, group=group: group.measure(wanted, effort))
            for group in training_groups()
        ),
    ]


def measure(sections: Sequence[Section], wanted: set[str], console: Console) -> stored.Table:
    """Measure the wanted rows, and say how far it is."""
    started = time.monotonic()
    described = machine.describe()
    rows: list[Row | Missing] = []
    variants: list[Variant] = []
    for section in sections:
        if not any(spec.name in wanted for spec in section.specs):
            continue
        console.print(f"{time.monotonic() - started:5.0f} s  {section.name} …")
        measured, shown = section.measure(wanted)
        rows += measured
        variants += shown
    console.print(f"{time.monotonic() - started:5.0f} s  done")
    return stored.Table(described, tuple(rows), tuple(variants))


def _store(
    table: stored.Table, before: stored.Table | None, worse: list[str], accept: bool, console: Console
) -> int:
    stored.RESULTS.mkdir(exist_ok=True)
    if worse and not accept:
        assert before is not None
        stored.WORSE.write_text(table.to_json(), encoding="utf-8")
        console.print(
            f"{len(worse)} rows are worse than in {stored.STORED}, measured on {before.machine['processor']}."
            f" That table and {page.PAGE} are left as they are; what was measured now is in {stored.WORSE}."
            " To take it: make bench ACCEPT=1, or python benchmarks/bench.py --accept",
            soft_wrap=True,
        )
        return 1
    stored.STORED.write_text(table.to_json(), encoding="utf-8")
    stored.WORSE.unlink(missing_ok=True)
    page.write(table)
    console.print(f"written: {page.PAGE}, {page.PICTURE}, {stored.STORED}", soft_wrap=True)
    return 0


def _wanted(only: Sequence[str], sections: Sequence[Section]) -> set[str]:
    """Return the names of the rows asked for; all of them where none is named."""
    by_name = {section.name: {spec.name for spec in section.specs} for section in sections}
    by_name |= {spec.name: {spec.name} for section in sections for spec in section.specs}
    unknown = [name for name in only if name not in by_name]
    if unknown:
        raise SystemExit(f"no row is called {', '.join(unknown)}; there are: {', '.join(by_name)}")
    return set().union(*(by_name[name] for name in only or by_name))


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="ROW", help="rows, or groups of them")
    parser.add_argument("--quick", action="store_true", help="a smoke test")
    parser.add_argument("--accept", action="store_true", help="store the table even where it is worse")
    parser.add_argument("--list", action="store_true", help="list the rows and end")
    parser.add_argument("--page", action="store_true", help="write the page from the stored table and end")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
