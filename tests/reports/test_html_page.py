"""The page as a reader has it: opened from a file in a real browser."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sgdlab.analysis.optimum import Edge
from sgdlab.analysis.protocol import Spread
from sgdlab.errors import UserError
from sgdlab.reports.html_page import render_report, write_report
from sgdlab.reports.numbers import spread_text

MADE_AT = datetime(2021, 1, 28, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def page(tmp_path_factory, curves_section, trajectories_section, hostile_section) -> Path:
    sections = [curves_section, trajectories_section, hostile_section]
    return write_report(sections, tmp_path_factory.mktemp("report") / "report.html", MADE_AT)


def test_it_opens_from_a_file_without_errors_or_network(browser, reader, page):
    browser.get_log("browser"), browser.get_log("performance")
    reader.show(page)
    assert browser.get_log("browser") == []
    assert reader.requests() <= {"file", "data", "blob", "chrome"}  # the last is the browser's first own page
    assert page.stat().st_size < 10_000_000


def test_every_panel_has_its_figure(browser, reader, page):
    reader.show(page)
    assert len(reader.texts(".plot")) == 4
    assert browser.execute_script(
        "return [...document.querySelectorAll('.plot')].every(p => p.querySelector('svg'))"
    )
    ticks = [text.replace("\u200b", "") for text in reader.texts("#plot-0-0 .xtick text")]
    assert ticks == [f"2−{k}" for k in range(9, 0, -1)]
    assert reader.texts("#plot-0-0 .legendtext")[0] == "SGD"
    assert len(reader.texts("#plot-1-0 .legendtext")) == 6
    assert reader.texts(".modebar-btn[data-title*=Share]") == []  # it would send data away


def test_expected_time_stands_beside_the_actual_one(browser, reader, page):
    reader.show(page)
    table = "[aria-label='Expected and actual time of smith2021/fig1b'] "
    assert reader.texts(table + "tbody tr > *") == [
        "mlp 64-64 · mnist1d · B=16",
        "63",
        "20",  # µs: 20 s for a million updates
        "25",
        "20 s",
        "25 s",
        "1.25",
    ]
    assert len(reader.texts("[aria-label^='Expected and actual time']")) == 1  # the others have none


def test_verdicts_are_words_and_not_colour_alone(browser, reader, page):
    reader.show(page)
    assert reader.texts("#sweep-0 td .verdict") == ["✓ supported", "✗ not supported", "? inconclusive"]
    expected = reader.texts("#sweep-0 [aria-label^=Claims] tbody tr:nth-child(2) .number")
    assert expected[2] == "in [0.3, 0.4]"
    assert "1 not supported" in reader.texts("nav li")[0]


def test_points_show_the_protocol_and_what_is_missing(browser, reader, page):
    reader.show(page)
    rows = [
        re.sub(r"\s+", " ", row).strip() for row in reader.texts("#sweep-0 [aria-label^=Points] tbody tr")
    ]
    assert len(rows) == 10
    assert "optimizer.lr=2**-3 ◎ best" in rows[3]
    assert rows[5].endswith("0 finite runs of 5, 3 needed – – – 5 0 5 0 0 runs")
    assert rows[9].endswith("5 0 0 0 5 runs")


def test_hostile_text_stays_text(browser, reader, page, hostile_section):
    hostile = hostile_section.title
    (curve,) = hostile_section.series.panels[0].series
    reader.show(page)
    assert browser.title != "owned"
    assert reader.texts("#sweep-2 h2") == [hostile]
    assert reader.texts("#sweep-2 .notes li") == [hostile]
    assert reader.texts("#sweep-2 figcaption") == [hostile]
    assert reader.texts("#sweep-2 dt")[-1] == hostile
    assert " ".join(reader.texts("#plot-2-0 .legendtext tspan")) == curve.label
    assert browser.execute_script("return document.querySelectorAll('main img, .plot b').length") == 0


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out(browser, reader, page, width):
    reader.show(page, width=width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    script = """
        const plots = [...document.querySelectorAll('.plot')];
        return plots.map(plot => plot.querySelector('svg').clientWidth - plot.clientWidth)"""
    assert max(browser.execute_script(script)) <= 0


def test_figures_follow_the_colour_scheme(browser, reader, page):
    from selenium.webdriver.support.ui import WebDriverWait

    script = """
        const style = getComputedStyle(document.body);
        const line = getComputedStyle(document.querySelector('#plot-0-0 path.js-line'));
        return [style.backgroundColor, line.stroke]"""
    reader.show(page, scheme="light")
    assert browser.execute_script(script) == ["rgb(255, 255, 255)", "rgb(11, 107, 179)"]
    reader.set_scheme("dark")
    dark = ["rgb(20, 23, 28)", "rgb(98, 176, 240)"]
    WebDriverWait(browser, 30).until(lambda _: browser.execute_script(script) == dark)  # plots are redrawn


def test_the_keyboard_reaches_everything(browser, reader, page):
    from selenium.webdriver import ActionChains, Keys

    reader.show(page)
    name = "return document.activeElement.ariaLabel || document.activeElement.textContent"
    focused = []
    for _ in range(24):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        focused.append(browser.execute_script(name))
    assert focused[:3] == ["Skip to the content", "smith2021/fig1b", "smith2021/fig2"]
    assert "Zoom in" in focused
    claims = focused.index("Claims of smith2021/fig1b")
    after = ["How it was judged"] * 3 + ["Points of smith2021/fig1b"]
    assert focused[claims + 1 : claims + 5] == after


def test_an_optimum_at_the_edge_is_flagged(curves_section):
    warning = "⚠ high edge of optimizer.lr"
    assert warning not in render_report([curves_section], MADE_AT)
    row = replace(curves_section.points[0], edges=(Edge("optimizer.lr", "high"),))
    assert warning in render_report([replace(curves_section, points=(row,))], MADE_AT)


def test_a_page_without_sweeps_says_so():
    page = render_report([], MADE_AT)
    assert "No sweep was named." in page
    assert len(page) < 20_000


def test_the_page_is_replaced_all_at_once(page, monkeypatch, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")

    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("sgdlab.runs.files.os.replace", die)
    with pytest.raises(KeyboardInterrupt):
        write_report([], path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"the report can't be written to .*file/report.html: "):
        write_report([], tmp_path / "file" / "report.html")


@pytest.mark.parametrize(
    ("spread", "text"),
    [
        (None, "–"),
        (Spread(0.66666, None, 1), "0.6667"),
        (Spread(0.66666, 0.01234, 5), "0.667 ± 0.012"),
        (Spread(-123.456, 12.34, 5), "−123 ± 12"),
        (Spread(0.5, 0.0, 5), "0.5000 ± 0.0000"),
    ],
)
def test_mean_and_deviation_have_the_same_decimals(spread, text):
    assert spread_text(spread) == text
