"""The runs behind a report's numbers, as a reader finds them: filtered, sorted, behind a point, as CSV."""

import csv
import io
import math

import pytest

from sgdlab.reports.html_page import write_report

ROWS = "details.all-runs tbody tr:not(.spacer)"


@pytest.fixture(scope="module")
def page(tmp_path_factory, curves_section, trajectories_section, hostile_section):
    sections = [curves_section, trajectories_section, hostile_section]
    return write_report(sections, tmp_path_factory.mktemp("report") / "report.html")


def open_runs(reader, section=0):
    reader.run("document.querySelectorAll('details.all-runs')[arguments[0]].open = true", section)
    reader.wait_for("return document.querySelector('.all-runs tbody tr')")


def filter_by(reader, words, section=0):
    reader.run(
        """const input = document.getElementById(`filter-runs-${arguments[0]}`);
        input.value = arguments[1]; input.dispatchEvent(new Event('input'))""",
        section,
        words,
    )
    return reader.texts("details.all-runs .bar output")[0]


def sort_by(reader, name):
    reader.run(
        """const buttons = [...document.querySelectorAll('.all-runs thead button')];
        buttons.find(button => button.textContent === arguments[0]).click()""",
        name,
    )


def column(reader, name):
    """The shown texts of a column."""
    heads = reader.texts(".all-runs thead button")
    return reader.texts(f"{ROWS} td:nth-child({heads.index(name) + 1})")


def csv_rows(reader):
    """What the download holds; the browser's blob is read instead of saved."""
    reader.run(
        """window.taken = null;
        URL.createObjectURL = (blob) => { blob.text().then((text) => { window.taken = text; }); return '#'; };
        [...document.querySelectorAll('.all-runs .bar button')][0].click()"""
    )
    return list(csv.DictReader(io.StringIO(reader.wait_for("return window.taken"), newline="")))


def test_a_filter_keeps_the_runs_that_the_command_line_counts(reader, page, curves_section):
    reader.show(page)
    open_runs(reader)
    assert filter_by(reader, "") == "45 of 45 rows"
    summaries = [row.summary for row in curves_section.points]
    for state, count in (
        ("done", sum(one.num_done for one in summaries)),
        ("diverged", sum(one.num_diverged for one in summaries)),
    ):
        assert filter_by(reader, f"state={state}") == f"{count} of 45 rows"
        assert set(column(reader, "state")) == {state}
    assert filter_by(reader, "kept") == f"{sum(len(one.kept_seeds) for one in summaries)} of 45 rows"
    assert filter_by(reader, "lr>=2**-3 seed=0 main") == "3 of 45 rows"
    assert filter_by(reader, "test_accuracy.best>0.6") == (
        f"{sum(value > 0.6 for one in summaries for value in one.finite)} of 45 rows"
    )
    assert filter_by(reader, "no such thing") == "0 of 45 rows"
    assert reader.texts(ROWS) == []


def test_sorting_is_by_number_with_what_has_no_value_last(reader, page, curves_section):
    reader.show(page)
    open_runs(reader)
    filter_by(reader, "main")
    expected = sorted(
        v for row in curves_section.points for v in row.summary.finite if row.summary.panel == "main"
    )
    for descending in (False, True):
        sort_by(reader, "test_accuracy.best")
        shown = column(reader, "test_accuracy.best")
        values = [float(text) for text in shown if text != "–"]
        assert values == pytest.approx(sorted(expected, reverse=descending)[: len(values)], abs=1e-6)
        assert shown == [*(text for text in shown if text != "–"), *["–"] * shown.count("–")]
        order = reader.run(
            "return document.querySelector('.runs [aria-sort]:not([aria-sort=none])').ariaSort"
        )
        assert order == ("descending" if descending else "ascending")


def test_the_csv_has_every_digit_of_every_row_that_is_left(reader, page, curves_section):
    reader.show(page)
    open_runs(reader)
    filter_by(reader, "state=done panel=main")
    rows = csv_rows(reader)
    runs = [run for run in curves_section.runs if run.panel == "main" and run.state == "done"]
    assert len(rows) == len(runs) == 25
    for row, run in zip(rows, runs, strict=True):
        assert float(row["test_accuracy.best"]) == run.metrics["test_accuracy.best"]
        assert float(row["test_accuracy.honest"]) == run.metrics["test_accuracy.honest"]
        assert float(row["optimizer.lr"]) == run.point["optimizer.lr"]
        assert (row["sweep"], row["seed"]) == ("smith2021/fig1b", str(run.seed))


def test_a_click_on_a_point_shows_its_runs_and_why_they_count(reader, page, curves_section):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By

    reader.show(page)
    point = reader.browser.find_elements(
        By.CSS_SELECTOR, "#plot-0-0 .scatterlayer .trace.scatter .points path"
    )[2]
    reader.run("arguments[0].scrollIntoView({block: 'center'})", point)
    ActionChains(reader.browser).move_to_element(point).pause(0.3).click().perform()
    reader.wait_for("return document.querySelector('#behind-0 h4')")
    summary = next(r.summary for r in curves_section.points if r.summary.point["optimizer.lr"] == 2.0**-5)
    assert reader.texts("#behind-0 h4") == ["main/sgd, optimizer.lr = 2**-5"]
    seeds = [int(text) for text in reader.texts("#behind-0 tbody td:first-child")]
    assert seeds == [*summary.kept_seeds, *(one.seed for one in summary.left_out)]
    parts = reader.texts("#behind-0 tbody td:nth-last-child(2)")
    assert parts[:3] == ["kept, ranks 1", "kept, ranks 2", "kept, ranks 3"]
    assert parts[3:] == [one.reason for one in summary.left_out]
    reader.wait_for("return document.querySelectorAll('#behind-0 .scatterlayer .js-line').length === 5")
    assert "test_accuracy.best: " in reader.texts("#behind-0 p")[0]
    assert reader.run("return document.activeElement.tagName") == "H4"


def test_curves_are_those_of_the_runs_to_what_their_thinning_allows(reader, page, curves_section):
    reader.show(page)
    reader.run("document.querySelector('#sweep-0 button.behind').click()")
    reader.wait_for("return document.querySelectorAll('#behind-0 .scatterlayer .js-line').length === 5")
    traces = reader.run("return document.querySelector('#behind-0 .plot').data.map(t => [t.name, t.x, t.y])")
    curves = {run.seed: run.curves for run in curves_section.runs[:5]}
    for name, x, y in traces:
        curve = curves[int(name.split()[1].strip(","))]
        assert x == curve["updates"].tolist()  # 60 evaluations of few runs: none is left out
        assert y == pytest.approx(curve["test_accuracy"], abs=1 / 65_534)
    assert "at most 60 of 60 evaluations" in reader.texts("#behind-0 p.quiet")[0]


def test_the_keyboard_leads_from_the_table_of_points_to_the_runs(reader, page):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    reader.show(page)
    button = reader.browser.find_element(By.CSS_SELECTOR, "#sweep-1 button.behind")
    assert button.accessible_name.startswith("Runs behind reg, regularizer.strength=0")
    button.send_keys(Keys.ENTER)
    assert reader.texts("#behind-1 h4") == ["main/reg, regularizer.strength = 0.0"]
    close = reader.browser.find_element(By.CSS_SELECTOR, "#behind-1 > button")
    close.send_keys(Keys.ENTER)
    assert reader.texts("#behind-1 *") == []


def test_hostile_text_stays_text_in_tables_details_and_csv(reader, page, hostile_section):
    reader.show(page)
    open_runs(reader, 2)
    reader.run("document.querySelector('#sweep-2 button.behind').click()")
    assert reader.browser.title != "owned"
    assert reader.run("return document.querySelectorAll('main img').length") == 0
    rows = csv_rows(reader)
    assert rows[0]["sweep"] == rows[0]["scale"] == hostile_section.title


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_stands_in_the_way_of_those_who_don_t_see_it(reader, page, scheme):
    """By axe, with everything open."""
    axe = pytest.importorskip("axe_core_python.selenium").Axe()
    reader.show(page, scheme=scheme)
    reader.browser.get_log("browser")
    reader.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    reader.run(
        "document.querySelectorAll('button.behind').forEach((b, i) => { if (i % 10 === 0) b.click(); })"
    )
    open_runs(reader)
    found = axe.run(reader.browser)["violations"]
    serious = [
        (one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")
    ]
    assert serious == []
    assert reader.browser.get_log("browser") == []


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out_with_everything_open(reader, page, width):
    reader.show(page, width=width)
    open_runs(reader)
    reader.run("document.querySelector('#sweep-0 button.behind').click()")
    assert reader.run("return document.documentElement.scrollWidth") <= width


def test_ten_thousand_runs_fit_into_ten_megabytes_and_into_a_table(reader, many_runs_section, tmp_path):
    page = write_report([many_runs_section], tmp_path / "many.html")
    assert page.stat().st_size < 10_000_000
    reader.show(page)
    open_runs(reader)
    assert filter_by(reader, "") == "10,000 of 10,000 rows"
    assert 20 < len(reader.texts(ROWS)) < 100  # what is seen, and a little more
    assert filter_by(reader, "state=failed") == "200 of 10,000 rows"
    filter_by(reader, "")
    sort_by(reader, "test_accuracy.best")
    sort_by(reader, "test_accuracy.best")
    values = [run.metrics.get("test_accuracy.best", -math.inf) for run in many_runs_section.runs]
    assert float(column(reader, "test_accuracy.best")[0]) == pytest.approx(max(values), abs=1e-6)
    reader.run("const runs = document.querySelector('.all-runs .runs'); runs.scrollTop = runs.scrollHeight")
    reader.wait_for(
        f"return document.querySelector('{ROWS}:last-of-type') || document.querySelector('{ROWS}')"
    )
    reader.wait_for(f"return [...document.querySelectorAll('{ROWS}')].at(-1).ariaRowIndex === '10001'")
    assert column(reader, "test_accuracy.best")[-1] == "–"
    assert reader.texts(".all-points output") == ["2,000 of 2,000 rows"]
    reader.run("document.querySelectorAll('.all-points tbody button')[7].click()")
    assert reader.texts("#behind-0 h4") == ["main/sgd, optimizer.lr = 0.008"]
    assert "of 60 evaluations" in reader.texts("#behind-0 p.quiet")[0]


def test_failures_with_one_error_stand_together(reader, many_runs_section, tmp_path):
    page = write_report([many_runs_section], tmp_path / "many.html")
    reader.show(page)
    cells = reader.texts("[aria-label='Failures of many/runs'] tbody td")
    assert cells[:2] == ["200", "out of memory"]
    assert cells[2].endswith("and 195 more")
