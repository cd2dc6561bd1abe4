"""The Markdown page: what each claim came to, and the pictures that it shows."""

import re
from dataclasses import replace
from types import MappingProxyType

import pytest
from markdown_it import MarkdownIt

from sgdlab.analysis.claims import describe_expectation
from sgdlab.errors import UserError
from sgdlab.reports.markdown_page import write_results_page
from sgdlab.sweeps.outlook import Outlay, Outlook

NUM_RUNS = 60
OUTLOOK = Outlook(
    scale="paper",
    device="AMD EPYC (x86_64, 6a93d771)",
    device_kind="cpu",
    sweeps=MappingProxyType(
        {
            "smith2021/fig1b": Outlay(140, 1_400_000_000, 0, 23_456.7),
            "smith2021/fig3b": Outlay(420, 4_200_000_000, 350, None),
            "smith2021/prop4_1": Outlay(10, 10_000, 10, None),
        }
    ),
    together=Outlay(500, 5_000_000_000, 360, None),
)


@pytest.fixture(scope="module")
def written(tmp_path_factory, curves_section, trajectories_section):
    sections = [curves_section, trajectories_section]
    path = tmp_path_factory.mktemp("page") / "docs" / "results.md"
    write_results_page(sections, path, NUM_RUNS, OUTLOOK)
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
    rows = [line for line in text.splitlines() if "**" in line and "**together**" not in line]
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


def test_its_last_row_adds_up_verdicts_and_counts_shared_runs_once(written):
    sections, _, text = written
    total, of_plan = (line for line in text.splitlines() if line.startswith("| **together** |"))
    verdicts = [verdict.verdict for section in sections for verdict in section.verdicts]
    kinds = ("supported", "not supported", "inconclusive")
    assert total.strip("| ").split(" | ")[2:] == [str(n) for n in (NUM_RUNS, *map(verdicts.count, kinds))]
    assert of_plan == "| **together** | 500 | 5,000,000,000 | unknown for 360 runs |"


def test_a_plan_at_the_papers_scale_tells_only_what_was_measured(written):
    _, _, text = written
    assert "| smith2021/fig1b | 140 | 1,400,000,000 | 2.35e+04 core-hours |" in text
    assert "| smith2021/fig3b | 420 | 4,200,000,000 | unknown for 350 runs |" in text
    assert "| smith2021/prop4_1 | 10 | 10,000 | unknown |" in text
    assert "on AMD EPYC (x86_64, 6a93d771), " in text


def test_a_gpu_counts_gpu_hours(tmp_path, curves_section):
    outlook = replace(OUTLOOK, device_kind="cuda")
    text = write_results_page([curves_section], tmp_path / "results.md", 1, outlook).read_text("utf-8")
    assert "| 1,400,000,000 | 2.35e+04 GPU-hours |" in text


def test_without_such_a_scale_there_is_no_plan(tmp_path, curves_section):
    text = write_results_page([curves_section], tmp_path / "results.md", 1).read_text(encoding="utf-8")
    assert "papers' own scale" not in text


def test_the_same_results_are_the_same_bytes(written, tmp_path):
    sections, path, _ = written
    again = write_results_page(sections, tmp_path / "results.md", NUM_RUNS, OUTLOOK)
    assert again.read_bytes() == path.read_bytes()
    for picture in (path.parent / "results").iterdir():
        assert (tmp_path / "results" / picture.name).read_bytes() == picture.read_bytes()


def test_a_hostile_sweep_stays_text(tmp_path, hostile_section):
    section = replace(hostile_section, sweep="own/hostile")
    text = write_results_page([section], tmp_path / "results.md", 1).read_text(encoding="utf-8")
    page = MarkdownIt("commonmark").enable("table").render(text)
    assert "<script" not in page
    assert re.findall(r"<img[^>]*>", page) == [
        tag for tag in re.findall(r"<img[^>]*>", page) if "/own-" in tag
    ]


def test_notes_are_told_and_bars_do_not_break_a_table(tmp_path, curves_section):
    (first, *_) = curves_section.verdicts
    claim = first.claim.model_copy(update={"says": "a | b"})
    section = replace(
        curves_section, notes=("scaled down: everything",), verdicts=(replace(first, claim=claim),)
    )
    text = write_results_page([section], tmp_path / "results.md", 1).read_text(encoding="utf-8")
    assert "- scaled down: everything" in text
    assert "a \\| b" in text


def test_a_claim_without_its_source_says_so_beside_its_verdict(tmp_path, curves_section):
    (first, *_) = curves_section.verdicts
    claim = first.claim.model_copy(update={"source": "missing"})
    section = replace(curves_section, verdicts=(replace(first, claim=claim, verdict="inconclusive"), first))
    text = write_results_page([section], tmp_path / "results.md", 1).read_text(encoding="utf-8")
    assert "| **inconclusive**: source missing |" in text
    assert f"| **{first.verdict}** |" in text


def test_a_folder_that_can_t_be_written_is_one_message(tmp_path, curves_section):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"can't be written to .*results"):
        write_results_page([curves_section], tmp_path / "file" / "results.md", 1)
