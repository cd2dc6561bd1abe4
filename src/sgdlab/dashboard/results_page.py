"""Results as a Markdown page, with its pictures in a folder beside it: for a repository, or a reader of text.

First the verdicts of all sweeps are counted in one table, then each sweep has a section: the picture, what
the paper says, what was measured, and the notes of its file. Nothing is on the page that isn't in a sweep
file or in the store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from sgdlab.analysis.claims import Decision, Verdict, describe_expectation
from sgdlab.analysis.figures import draw
from sgdlab.dashboard.section import SweepSection
from sgdlab.errors import UserError
from sgdlab.runs.files import replace

_DECISIONS: tuple[Decision, ...] = ("supported", "not supported", "inconclusive")


def write_results_page(sections: Sequence[SweepSection], path: Path) -> Path:
    """Write the page ``NAME.md`` and its pictures, ``NAME/paper-figure.png``.

    Raises
    ------
    UserError
        If something can't be written.
    """
    pictures = path.parent / path.stem
    try:
        for section in sections:
            draw(section.series, pictures, _file_name(section), formats=("png",))
        replace(path, "\n".join(render_results_page(sections, pictures.name)).encode())
    except OSError as error:
        raise UserError(f"the page can't be written to {path}: {error.strerror}") from error
    return path


def render_results_page(sections: Sequence[SweepSection], pictures: str) -> Iterator[str]:
    """Yield the lines of the page; `pictures` is the folder as the page names it."""
    yield from ("# Results", "", "| sweep | scale | runs | supported | not supported | inconclusive |")
    yield "| --- | --- | --- | ---: | ---: | ---: |"
    for section in sections:
        tally = Counter(verdict.verdict for verdict in section.verdicts)
        counts = " | ".join(str(tally[decision]) for decision in _DECISIONS)
        runs = dict(section.provenance).get("runs", "")
        yield f"| [{section.sweep}](#{_anchor(section)}) | {section.scale} | {_cell(runs)} | {counts} |"
    for section in sections:
        yield from _section(section, pictures)
    yield ""


def _section(section: SweepSection, pictures: str) -> Iterator[str]:
    yield from ("", f"## {section.sweep}", "", f"{section.title}.", "")
    yield f"![{section.sweep} at {section.scale} scale]({pictures}/{_file_name(section)}.png)"
    if section.verdicts:
        yield from (
            "",
            "| the paper says | measured, 95 % | expected | verdict |",
            "| --- | --- | --- | --- |",
        )
        has_panels = len(section.series.panels) > 1
        yield from (_claim(verdict, has_panels) for verdict in section.verdicts)
    if section.notes:
        yield ""
        yield from (f"- {note}" for note in section.notes)


def _claim(verdict: Verdict, has_panels: bool) -> str:
    where = f"{verdict.panel}: " if has_panels else ""
    cells = (
        where + verdict.claim.says,
        _measured(verdict),
        describe_expectation(verdict.claim.expect),
        f"**{verdict.verdict}**" + (": source missing" if verdict.claim.source == "missing" else ""),
    )
    return f"| {' | '.join(map(_cell, cells))} |"


def _measured(verdict: Verdict) -> str:
    """Give the number with its interval; without one, what stood in the way."""
    if verdict.estimate is None or verdict.interval is None:
        return verdict.reason
    low, high = verdict.interval
    return f"{verdict.estimate:.3g} [{low:.3g}, {high:.3g}]"


def _file_name(section: SweepSection) -> str:
    return section.sweep.replace("/", "-")


def _anchor(section: SweepSection) -> str:
    """Name a heading as Markdown readers do: slashes vanish."""
    return section.sweep.replace("/", "").lower()


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
