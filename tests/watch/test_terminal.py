"""`sgdlab watch` on a pseudo-terminal, over a store that real workers have written."""

import json
import os
import re
import signal

import pytest

from sgdlab.runs.attempts import Attempt
from sgdlab.watch.terminal import shows_unicode

SEQUENCE = re.compile(rb"\x1b(\[[0-9;:?<>=$]*[a-zA-Z]|\].*?(\x07|\x1b\\)|P.*?\x1b\\|[=>78])", re.DOTALL)
HOSTILE = "ValueError: [red]odd[/red] \x1b[2J\x1b]0;owned\x07"
SPELLED = r"ValueError: [red]odd[/red] \x1b[2J\x1b]0;owned\x07"


@pytest.fixture
def desk(trained, terminal):
    """Where the tiny sweep was trained; but two of its runs have failed, with odd words."""
    terminal.folder = trained.folder
    store = terminal.store
    results = [json.loads(path.read_bytes()) for path in store.runs.glob("*/*/result.json")]
    keys = [result["key"] for result in results if result["config"]["seed"] == 2][:2]
    with Attempt.start(store, "session", heartbeat_every_s=60) as attempt:
        for key in keys:
            store.result_path(key).unlink()
            store.record_failure(attempt, key, HOSTILE, attempt.log_path)
    return terminal


def test_a_person_looks_around_retries_and_leaves(desk, watching):
    program = desk.folder / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '0, GPU-1, 97, 40536, 81559, 61, 512.3, NVIDIA H100 80GB HBM3'\n")
    program.chmod(0o755)
    screen = watching("tiny", PATH=f"{desk.folder}:{os.environ['PATH']}")
    assert "83%" in screen.wait_for("10 of 12 runs done, 2 failed")
    screen.press("3")
    assert "39.6/79.6 GiB" in screen.wait_for("GPUs 1", "NVIDIA H100 80GB HBM3", "97%")
    screen.press("2")
    assert SPELLED[:40] in screen.wait_for("ValueError")
    screen.press("\r")
    assert "2 runs of" in screen.wait_for("runs that failed", "esc Back")
    screen.press("\x1b")
    screen.wait_for("Failures 2", without="runs that failed")
    screen.resize(48, 14)
    narrow = screen.wait_for("83%", without="left")
    assert max(map(len, narrow.split("\n"))) <= 48
    screen.resize(100, 30)
    screen.wait_for("runs done   now")
    screen.press("r")
    screen.wait_for("Train 2 runs again", "y: yes")
    screen.press("y")
    screen.wait_for("2 failed runs cleared", "2 interrupted", without="Failures 2")
    screen.press("q")
    assert screen.wait_for_end() == 0
    assert not list(desk.store.runs.glob("*/*/failed.json"))
    assert b"\x1b[?1049l" in b"".join(screen.raw)  # the person's own screen is back


def test_without_colours_and_without_unicode(desk, watching):
    screen = watching("tiny", NO_COLOR="1", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    screen.wait_for("10 of 12 runs done, 2 failed", "######")
    screen.press("2")
    screen.wait_for("ValueError")
    assert screen.colours == set()
    screen.press("\x03")
    assert screen.wait_for_end() == 0
    drawn = b"".join(screen.raw)
    assert SEQUENCE.sub(b"", drawn).isascii()
    assert b"Traceback" not in drawn
    assert b"owned\x07" not in drawn


def test_a_signal_gives_the_screen_back(desk, watching):
    screen = watching("tiny")
    screen.wait_for("10 of 12")
    screen.process.kill(signal.SIGTERM)
    assert screen.wait_for_end() == 0
    assert b"\x1b[?1049l" in b"".join(screen.raw)


def test_a_dumb_terminal_gets_lines(desk, watching):
    screen = watching("tiny", TERM="dumb")
    seen = screen.wait_for("83%  10 of 12 runs done, 2 failed", "2 failed,")
    assert SPELLED in seen.replace("\n", "")
    assert SEQUENCE.search(b"".join(screen.raw)) is None
    screen.wait_for_end()


def test_without_a_terminal_lines_come_until_nothing_is_left(desk, finish):
    ended = finish(desk.start("watch", "tiny"))
    first, second = ended.stdout.splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  83%  10 of 12 runs done, 2 failed", first)
    assert second.endswith(f"say: {SPELLED}")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_lines_end_quietly_by_ctrl_c(terminal, wait_until):
    watching = terminal.start("watch", "tiny")
    assert "0%  0 of 12 runs done, 12 waiting" in watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    out, err = watching.communicate(timeout=300)
    assert (watching.returncode, out, err) == (0, "", "")


def test_one_moment_as_json(desk):
    told = desk.sgdlab("watch", "tiny", "--json")
    live = json.loads(told.stdout)
    counts = {state: number for state, number in live["together"]["counts"].items() if number}
    assert counts == {"done": 10, "failed": 2}
    assert live["failures"][0]["error"] == HOSTILE
    assert told.returncode == 0


def test_a_name_that_means_nothing_is_refused_before_anything_is_drawn(terminal):
    refused = terminal.sgdlab("watch", "nowhere")
    assert refused.returncode == 2
    assert "nowhere" in refused.stderr
    assert refused.stdout == ""


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"LANG": "en_GB.UTF-8"}, True),
        ({"LANG": "de_DE.utf8"}, True),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "C"}, False),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, True),
        ({"LANG": "en_US.ISO-8859-1"}, False),
        ({}, False),
    ],
)
def test_unicode_is_what_the_locale_says(environment, expected):
    assert shows_unicode(environment) is expected
