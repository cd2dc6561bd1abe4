"""Run every check of the papers' equations; write docs/theory.md's tables and its pictures.

The page has one section a check. Its words are written by hand; what was measured goes between its marks,
``<!-- measured: NAME -->`` and ``<!-- end -->``. Pictures that the page shows are drawn anew.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from sgdlab.analysis.claims import describe_expectation
from sgdlab.figures.draw import draw
from sgdlab.theory.catalogue import CHECKS
from sgdlab.theory.check import CheckReport

_DOCS = Path(__file__).resolve().parents[1] / "docs"


def main() -> None:
    reports = {}
    for name, check in CHECKS.items():
        print(name, flush=True)
        reports[name] = check.run()
    page = _DOCS / "theory.md"
    page.write_text(with_tables(page.read_text(encoding="utf-8"), reports), encoding="utf-8")
    draw_shown(page, reports)


def with_tables(page: str, reports: Mapping[str, CheckReport]) -> str:
    """Put each check's table between its marks.

    Raises
    ------
    ValueError
        If a check's marks aren't in the page once.
    """
    for name, report in reports.items():
        begin, end = f"<!-- measured: {name} -->", "<!-- end -->"
        between = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", flags=re.DOTALL)
        if len(between.findall(page)) != 1:
            raise ValueError(f"the page needs one line {begin!r} and, below it, one line {end!r}")
        table = f"{begin}\n{describe(report)}\n{end}"
        page = between.sub(lambda _, table=table: table, page)
    return page


def describe(report: CheckReport) -> str:
    """Write a check's findings as a table, and below it its settings."""
    rows = [
        "| the equation says | measured, 95 % | expected | verdict |",
        "| --- | --- | --- | --- |",
        *(
            f"| {_cell(f'{one.says} {one.remark}'.rstrip())} | {one.measured} "
            f"| {describe_expectation(one.expect)} | {one.verdict} |"
            for one in report.findings
        ),
    ]
    return "\n".join([*rows, "", *(f"- {note}" for note in report.notes)])


def draw_shown(page: Path, reports: Mapping[str, CheckReport]) -> None:
    """Draw the figure of each check whose picture, ``images/theory-PAPER-NAME.png``, the page shows."""
    shown = page.read_text(encoding="utf-8")
    for name, report in reports.items():
        picture = f"images/theory-{name.replace('/', '-')}.png"
        if f"({picture})" in shown:
            with tempfile.TemporaryDirectory(prefix="theory-") as folder:
                shutil.copyfile(draw(report.figure, Path(folder), "figure")[0], page.parent / picture)


def _cell(text: str) -> str:
    r"""Write |x| as \|x\|: a bar would end the cell."""
    return text.replace("|", r"\|")


if __name__ == "__main__":
    main()
