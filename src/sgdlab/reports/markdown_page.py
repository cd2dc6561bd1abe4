"""Results as a Markdown page, with its pictures in a folder beside it: for a repository, or a reader of text.

First the verdicts of all sweeps are counted in one table, and another one says what the sweeps take at the
papers' own scale. Then each sweep has a section: the picture, what the paper says, what was measured, and the
notes of its file. All of it is from sweep files, from the store, and from the speeds that were measured on
this machine; the same results are the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from sgdlab.analysis.claims import Verdict, describe_expectation, describe_number
from sgdlab.analysis.decision import Decision
from sgdlab.errors import UserError
from sgdlab.figures.draw import draw
from sgdlab.reports.markdown_text import markdown
from sgdlab.reports.section import SweepSection
from sgdlab.runs.files import replace
from sgdlab.sweeps.outlook import Outlay, Outlook

_DECISIONS: tuple[Decision, ...] = ("supported", "not supported", "inconclusive")
_DOTS_PER_INCH = 120  # two panels are as wide as a page; all papers' pictures take a few megabytes
_HOURS = {"cpu": "core-hours", "cuda": "GPU-hours"}
_HOW_TO_READ = (
    "What was measured is a number with its 95 % interval over paired seeds. A claim is *supported* if the "
    "whole interval lies where it is expected, *not supported* if none of it does, and else *inconclusive*; "
    "it is that, too, where runs are missing."
)


def write_results_page(
    sections: Sequence[SweepSection], path: Path, num_runs: int, outlook: Outlook | None = None
) -> Path:
    """Write the page ``NAME.md`` and its pictures, ``NAME/paper-figure.png``.

    Parameters
    ----------
    sections
        One for each sweep.
    path
        Of the page.
    num_runs
        Behind all sections; a run that several share is one.
    outlook
        What the sweeps take at the papers' own scale.

    Raises
    ------
    UserError
        If something can't be written.
    """
    pictures = path.parent / path.stem
    try:
        for section in sections:
            draw(section.series, pictures, _file_name(section), ("png",), _DOTS_PER_INCH)
        lines = render_results_page(sections, pictures.name, num_runs, outlook)
        replace(path, "\n".join(lines).encode())
    except OSError as error:
        raise UserError(f"the page can't be written to {path}: {error.strerror}") from error
    return path


def render_results_page(
    sections: Sequence[SweepSection], pictures: str, num_runs: int, outlook: Outlook | None
) -> Iterator[str]:
    """Yield the lines of the page; `pictures` is the folder as the page names it."""
    yield from ("# Results", "", _HOW_TO_READ, "")
    yield from _summary(sections, num_runs)
    if outlook is not None:
        yield from _outlook(outlook)
    for section in sections:
        yield from _section(section, pictures)
    yield ""


def _summary(sections: Sequence[SweepSection], num_runs: int) -> Iterator[str]:
    """Count verdicts sweep by sweep, and over all of them."""
    yield "| sweep | scale | runs | supported | not supported | inconclusive |"
    yield "| --- | --- | ---: | ---: | ---: | ---: |"
    total: Counter[Decision] = Counter()
    for section in sections:
        tally = Counter(verdict.verdict for verdict in section.verdicts)
        total += tally
        name = f"[{markdown(section.sweep)}](#{_anchor(section)})"
        yield _row(name, markdown(section.scale), _number_of_runs(section), *_counts(tally))
    yield _row("**together**", "", f"{num_runs:,}", *_counts(total))
    yield from ("", _made_with(sections))


def _counts(tally: Counter[Decision]) -> Iterator[str]:
    return (str(tally[decision]) for decision in _DECISIONS)


def _number_of_runs(section: SweepSection) -> str:
    return f"{int(dict(section.provenance).get('runs', 0)):,}"


def _made_with(sections: Sequence[SweepSection]) -> str:
    """Name what trained the runs; that is the same whenever the page is written."""
    found = {
        name: sorted({value for section in sections for value in _values(section, name)})
        for name in ("sgdlab version", "torch version", "device")
    }
    sgdlab, torch, device = (", ".join(values) or "nothing" for values in found.values())
    return markdown(
        f"A run that several sweeps share is counted once in the last row. Trained with sgdlab {sgdlab} and "
        f"torch {torch} on {device}."
    )


def _values(section: SweepSection, name: str) -> list[str]:
    return [value for value in dict(section.provenance).get(name, "").split(", ") if value]


def _outlook(outlook: Outlook) -> Iterator[str]:
    """Say what the sweeps take at another scale."""
    yield from ("", "## At the papers' own scale", "")
    yield "| sweep | runs | updates | time |"
    yield "| --- | ---: | ---: | ---: |"
    for name, outlay in outlook.sweeps.items():
        yield _row(markdown(name), *_cells_of(outlay, outlook))
    yield _row("**together**", *_cells_of(outlook.together, outlook))
    yield ""
    yield (
        "These are all runs of a sweep, whatever of them is trained already; a run that several sweeps share "
        "is counted once in the last row. The time is reckoned from what an update was measured to take on "
        f"{markdown(outlook.device)}, or took in finished runs. Where neither is known, nor is the time: "
        f"`sgdlab plan SWEEP --scale {outlook.scale} --measure` measures what is missing."
    )


def _cells_of(outlay: Outlay, outlook: Outlook) -> Iterator[str]:
    yield f"{outlay.num_runs:,}"
    yield f"{outlay.num_updates:,}"
    if outlay.device_hours is not None:
        yield f"{outlay.device_hours:,.3g} {_HOURS[outlook.device_kind]}"
    elif outlay.num_unknown < outlay.num_runs:
        yield f"unknown for {outlay.num_unknown:,} runs"
    else:
        yield "unknown"


def _section(section: SweepSection, pictures: str) -> Iterator[str]:
    yield from ("", f"## {markdown(section.sweep)}", "", f"{markdown(section.title)}.", "")
    what_it_shows = markdown(f"{section.sweep} at {section.scale} scale")
    yield f"![{what_it_shows}]({pictures}/{_file_name(section)}.png)"
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
        yield from (f"- {markdown(note)}" for note in section.notes)


def _claim(verdict: Verdict, has_panels: bool) -> str:
    where = f"{verdict.panel}: " if has_panels else ""
    return _row(
        markdown(where + verdict.claim.says),
        markdown(_measured(verdict)),
        describe_expectation(verdict.claim.expect),
        f"**{verdict.verdict}**" + (": source missing" if verdict.claim.source == "missing" else ""),
    )


def _measured(verdict: Verdict) -> str:
    """Give the number with its interval; without one, what stood in the way."""
    return describe_number(verdict) or verdict.reason


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _file_name(section: SweepSection) -> str:
    return section.sweep.replace("/", "-")


def _anchor(section: SweepSection) -> str:
    """Name a heading as Markdown readers do: slashes vanish."""
    return section.sweep.replace("/", "").lower()
