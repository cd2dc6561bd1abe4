"""The Markdown page: what each claim came to, and the pictures that it shows."""

import re

import pytest

from sgdlab.analysis.claims import describe_expectation
from sgdlab.dashboard.results_page import write_results_page
from sgdlab.errors import UserError


@pytest.fixture(scope="module")
def written(tmp_path_factory, curves_section, trajectories_section):
    sections = [curves_section, trajectories_section]
    path = write_results_page(sections, tmp_path_factory.mktemp("page") / "docs" / "results.md")
    return sections, path, path.read_text(encoding="utf-8")


def test_every_picture_is_there_and_drawn(written):
    sections, path, text = written
    shown = re.findall(r"!\[[^]]*\]\(([^)]+)\)", text)
    assert len(shown) == len(sections)
    for name in shown:
        assert (path.parent / name).read_bytes().startswith(b"\x89PNG")
    assert {p.suffix for p in (path.parent / "results").iterdir()} == {".png"}


def test_every_claim_has_a_row_with_its_number_and_verdict(written):
    sections, _, text = written
    rows = [line for line in text.splitlines() if "**" in line]
    assert len(rows) == sum(len(section.verdicts) for section in sections) > 0
    for section in sections:
        for verdict in section.verdicts:
            (row,) = [row for row in rows if verdict.claim.says in row and _is_of(verdict, section, row)]
            assert f"**{verdict.verdict}**" in row
            assert describe_expectation(verdict.claim.expect) in row
            number = verdict.reason if verdict.interval is None else f"{verdict.estimate:.3g} ["
            assert number in row


def _is_of(verdict, section, row):
    return len(section.series.panels) == 1 or f"| {verdict.panel}: " in row


def test_the_first_table_counts_verdicts_and_leads_to_the_sections(written):
    sections, _, text = written
    headings = {heading.replace("/", "").lower() for heading in re.findall(r"^## (.+)$", text, re.MULTILINE)}
    for section in sections:
        (row,) = [line for line in text.splitlines() if line.startswith(f"| [{section.sweep}](#")]
        assert re.search(r"\(#([^)]+)\)", row)[1] in headings
        counts = [int(cell) for cell in row.strip("| ").split(" | ")[-3:]]
        kinds = ("supported", "not supported", "inconclusive")
        assert counts == [sum(v.verdict == kind for v in section.verdicts) for kind in kinds]


def test_notes_are_told_and_bars_do_not_break_a_table(tmp_path, curves_section):
    from dataclasses import replace

    (first, *_) = curves_section.verdicts
    claim = first.claim.model_copy(update={"says": "a | b"})
    section = replace(
        curves_section, notes=("scaled down: everything",), verdicts=(replace(first, claim=claim),)
    )
    text = write_results_page([section], tmp_path / "results.md").read_text(encoding="utf-8")
    assert "- scaled down: everything" in text
    assert "a \\| b" in text


def test_a_claim_without_its_source_says_so_beside_its_verdict(tmp_path, curves_section):
    from dataclasses import replace

    (first, *_) = curves_section.verdicts
    claim = first.claim.model_copy(update={"source": "missing"})
    section = replace(curves_section, verdicts=(replace(first, claim=claim, verdict="inconclusive"), first))
    text = write_results_page([section], tmp_path / "results.md").read_text(encoding="utf-8")
    assert "| **inconclusive**: source missing |" in text
    assert f"| **{first.verdict}** |" in text


def test_a_folder_that_can_t_be_written_is_one_message(tmp_path, curves_section):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"the page can't be written to .*results\.md"):
        write_results_page([curves_section], tmp_path / "file" / "results.md")
