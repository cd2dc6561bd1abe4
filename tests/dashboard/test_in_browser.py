"""The dashboard as a person meets it: a command, and Chromium."""

from __future__ import annotations

import json
import socket

import pytest

from sgdlab.cli.dashboard import SweepsAsked

axe_selenium = pytest.importorskip("axe_core_python.selenium", reason="axe-core-python isn't installed")

WHERE = {"laptop": (1280, 800), "phone": (390, 844)}
PAGES = ("/", "/sweep/first", "/sweep/hostile", "/compare?sweep=first&sweep=hostile", "/nowhere")
HEADED = "document.querySelector('main h1') !== null"
DRAWN = "[...document.querySelectorAll('.plot')].every(plot => plot.querySelector('.main-svg'))"
OWN = ("data:", "blob:", "chrome:", "about:")
WHERE_POINT_IS = """
const plot = arguments[0], {xaxis, yaxis} = plot._fullLayout, box = plot.getBoundingClientRect();
const {x, y} = plot._fullData.find((each) => each.meta && each.meta.places);
return [box.left + xaxis._offset + xaxis.l2p(x[1]), box.top + yaxis._offset + yaxis.l2p(y[1])];
"""


@pytest.fixture
def open_page(browser, dashboard, wait_for):
    """Open a page of the dashboard and wait until it is there; what the browser complains of then, fails."""
    from selenium.common.exceptions import JavascriptException

    browser.get_log("browser")
    browser.get_log("performance")

    def ready() -> bool:
        try:
            return browser.execute_script(f"return {HEADED} && {DRAWN}")
        except JavascriptException:
            return False

    def open_page(path: str, at: str = "laptop", mode: str = "light", address: str = dashboard):
        width, height = WHERE[at]
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": at == "phone"}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        media = {"features": [{"name": "prefers-color-scheme", "value": mode}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        browser.get(address + path)
        wait_for(ready)
        return browser

    yield open_page
    complaints = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert complaints == []
    assert asked_elsewhere(browser, dashboard) == []
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def asked_elsewhere(browser, dashboard: str) -> list[str]:
    """The addresses of other hosts that the browser asked for since it was last asked."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [event for event in events if event["method"] == "Network.requestWillBeSent"]
    addresses = [event["params"]["request"]["url"] for event in sent]
    return [url for url in addresses if not url.startswith((dashboard, *OWN))]


def says(page, part: str, text: str) -> bool:
    """Whether a part of the page, by its id, is there and has a text in it."""
    return text in page.execute_script(
        "return (document.getElementById(arguments[0]) || {textContent: ''}).textContent", part
    )


def violations(browser) -> list[tuple[str, str]]:
    """What axe finds serious or critical."""
    found = axe_selenium.Axe().run(browser)["violations"]
    return [
        (each["id"], node["html"][:200])
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_accessible(open_page, wait_for, path, mode):
    page = open_page(path, mode=mode)
    if "sweep/" in path:
        wait_for(lambda: page.find_elements("css selector", ".ag-row"))
    assert violations(page) == []


@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_a_phone(open_page, path):
    page = open_page(path, at="phone")
    assert page.execute_script("return document.documentElement.scrollWidth - innerWidth") <= 0


def test_hostile_text_is_shown_as_text(open_page, wait_for, browser):
    for path in ("/", "/sweep/hostile", "/compare?sweep=hostile"):
        page = open_page(path)
        wait_for(lambda page=page: "onerror=" in page.find_element("css selector", "main").text)
        assert page.execute_script("return document.querySelectorAll('img').length") == 0
        assert page.title != "owned"
    assert "\x07" not in page.page_source


def test_a_click_on_a_point_leads_to_the_runs_behind_and_on(open_page, wait_for):
    page = open_page("/sweep/first")
    plot = page.find_element("css selector", ".js-plotly-plot")
    page.execute_script("arguments[0].scrollIntoView()", plot)
    x, y = page.execute_script(WHERE_POINT_IS, plot)
    for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
        page.execute_cdp_cmd(
            "Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1}
        )
    wait_for(lambda: says(page, "point", "kept: ranks 1 of 3"))
    assert "point=" in page.current_url
    assert page.execute_script("return document.activeElement.id") == "point-heading"
    assert violations(page) == []
    page.find_element("link text", "seed 1").click()
    wait_for(lambda: says(page, "content", "updates made"))
    page.back()
    wait_for(lambda: says(page, "point", "kept: ranks 1 of 3"))
    page.find_element("id", "close-point").click()
    wait_for(lambda: not says(page, "point", "seed 1"))
    assert "point=" not in page.current_url


def test_the_table_of_runs_is_filtered_and_sorted(open_page, wait_for):
    page = open_page("/sweep/first")
    search = page.find_element("css selector", "[id*=search][id*=runs]")
    rows = "return [...document.querySelectorAll('[id*=runs] .ag-center-cols-container .ag-row')].length"
    wait_for(lambda: page.execute_script(rows) >= 10)
    search.send_keys("diverged")
    wait_for(lambda: page.execute_script(rows) == 2)
    search.clear()
    search.send_keys("no such run")
    wait_for(lambda: page.execute_script(rows) == 0)


def test_the_listing_is_searched(open_page, wait_for):
    page = open_page("/")
    wait_for(lambda: "9 done" in page.find_element("id", "listing").text)
    page.find_element("id", "sweep-search").send_keys("first")
    wait_for(lambda: "1 sweep" in page.find_element("id", "listing").text.splitlines())


def test_colours_are_chosen_and_remembered(open_page, wait_for):
    page = open_page("/sweep/first")
    background = "return getComputedStyle(document.body).backgroundColor"
    axis = "return document.querySelector('.xtick text').style.fill"
    light = page.execute_script(background), page.execute_script(axis)
    button = page.find_element("id", "colours")
    for name in ("light", "dark"):
        button.click()
        wait_for(lambda name=name: button.text == f"Colours: {name}")
    wait_for(lambda: page.execute_script(axis) != light[1])
    assert page.execute_script(background) != light[0]
    page = open_page("/")
    assert page.execute_script("return document.documentElement.dataset.mode") == "dark"
    page.execute_script("localStorage.clear()")


def test_the_keyboard_reaches_the_content_first(open_page):
    from selenium.webdriver.common.keys import Keys

    page = open_page("/")
    page.find_element("css selector", "body").send_keys(Keys.TAB)
    assert page.switch_to.active_element.text == "Skip to the content"
    page.switch_to.active_element.send_keys(Keys.ENTER)
    assert page.execute_script("return location.hash") == "#content"


def test_a_page_follows_what_happens_in_the_store(desk, serve_at, browser, wait_for):
    with serve_at(desk.folder, "first") as served:
        browser.get(f"{served.address}sweep/first")
        wait_for(lambda: says(browser, "standing", "9 done"))
        desk.publish(desk.wanted("first")[14])
        wait_for(lambda: says(browser, "standing", "10 done"))
        wait_for(lambda: says(browser, "news", "12 of 15 runs have ended"))
        wait_for(lambda: says(browser, "caption", "10 done"))


def test_ctrl_c_ends_it_quietly(desk, serve_at):
    with serve_at(desk.folder, "first") as served:
        assert served.address.startswith("http://127.0.0.1:")
        code, said = served.end()
    assert served.hint == "Ctrl-C ends it; nothing that trains is touched"
    assert (code, said) == (0, "")


def test_a_taken_port_is_one_clear_message(desk, terminal):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = terminal.sgdlab("dashboard", "tiny", "--port", str(port))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        f"sgdlab: port {port} of 127.0.0.1 is taken, perhaps by another dashboard: "
        "--port 0 takes a free one\n"
    )


def test_elsewhere_than_on_loopback_the_printed_token_opens_the_page(desk, serve_at, browser, wait_for):
    with serve_at(desk.folder, "first", "--host", "0.0.0.0") as served:
        address = served.address.replace("0.0.0.0", "127.0.0.1")
        bare = address.partition("?")[0]
        browser.get(bare)
        assert "the address needs its token" in browser.find_element("css selector", "body").text
        browser.get(address)
        wait_for(lambda: "9 done" in browser.find_element("css selector", "body").text)
        assert "token" not in browser.current_url
        assert browser.execute_script("return document.cookie") == ""
        browser.delete_all_cookies()


def test_the_command_knows_the_sweeps_it_was_given(desk, wait_for):
    asked = SweepsAsked(["hostile", "sweeps/first.yaml", "protocol.num_seeds=2"], "laptop")
    assert asked.names == ["hostile", "first"]
    assert len(asked.known("first").keys) == 10
    assert asked.sweep("first").protocol.num_seeds == 2
    wait_for(lambda: asked.title_of("first") == "Accuracy against the learning rate")
    assert [look.title for look in asked.look()] == ["hostile @ laptop", "first @ laptop"]
