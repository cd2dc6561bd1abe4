import io
import os
import pty
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from rich.console import Console

from sgdlab.orchestration.progress import ProgressView, Snapshot

HALF_WAY = Snapshot(
    num_runs=63,
    num_done=20,
    num_running=27,
    num_diverged=3,
    num_failed=1,
    updates_done=30_000,
    updates_total=90_000,
    elapsed_s=100.0,
    num_workers=2,
)
START = replace(HALF_WAY, num_done=0, num_diverged=0, num_failed=0, updates_done=0, elapsed_s=0.0)


def shown(*snapshots: Snapshot, terminal: bool, width: int = 80, times=None, title="smith2021/fig1b") -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=terminal, color_system=None, _environ={})
    clock = iter(times or range(len(snapshots) * 2 + 2))
    with ProgressView(title, console=console, clock=lambda: next(clock)) as view:
        for snapshot in snapshots:
            view.update(snapshot)
    return file.getvalue()


def last_frame(text: str) -> list[str]:
    """What is left on the screen: the text after the last erased line, without control sequences."""
    text = re.split(r"\x1b\[2K", text)[-1]
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).strip("\r\n").splitlines()]


def test_rate_and_time_left():
    assert HALF_WAY.updates_per_s == pytest.approx(300.0)
    assert HALF_WAY.seconds_left == pytest.approx(200.0)  # 60,000 updates at 300 a second
    assert START.updates_per_s is None
    assert START.seconds_left is None
    assert replace(HALF_WAY, updates_done=90_001).seconds_left == 0


def test_the_live_view_fits_80_columns_and_needs_no_colour():
    frame = last_frame(shown(START, HALF_WAY, terminal=True))
    title, *lines = frame
    assert title.startswith("smith2021/fig1b ━━━━")
    assert title.endswith(" 33%")
    assert lines == [
        "20/63 runs done · 27 running · 3 diverged · 1 failed",
        "2 workers · 300 updates/s · 1:40 gone · 3:20 left",
    ]
    assert max(map(len, frame)) <= 80


def test_a_narrow_terminal_cuts_lines_and_keeps_three_of_them():
    frame = last_frame(shown(HALF_WAY, terminal=True, width=40, title="somebody/" + "long" * 20))
    assert len(frame) == 3
    assert max(map(len, frame)) <= 40
    assert frame[0].endswith("33%")


def test_a_hostile_title_is_text():
    assert "[red]x[/red]" in shown(HALF_WAY, terminal=True, title="[red]x[/red]")
    assert "[red]x[/red]" in shown(HALF_WAY, terminal=False, title="[red]x[/red]")


def test_plain_lines_come_at_most_every_ten_seconds_and_the_last_always():
    second = replace(HALF_WAY, updates_done=45_000, elapsed_s=150.0)
    last = replace(HALF_WAY, updates_done=90_000, num_running=0, num_done=59, elapsed_s=7200.0)
    times = [0, 0, 5, 9.9, 10, 10, 12, 13]  # a clock reading for each check and each line printed
    lines = shown(START, HALF_WAY, HALF_WAY, second, last, terminal=False, times=times).splitlines()
    assert lines == [
        "smith2021/fig1b: 0% · 0/63 runs done · 27 running"
        " · 2 workers · measuring the pace · 0:00 gone · time left unknown",
        "smith2021/fig1b: 50% · 20/63 runs done · 27 running · 3 diverged · 1 failed"
        " · 2 workers · 300 updates/s · 2:30 gone · 2:30 left",
        "smith2021/fig1b: 100% · 59/63 runs done · 0 running · 3 diverged · 1 failed"
        " · 2 workers · 12 updates/s · 2:00:00 gone · 0:00 left",
    ]


def test_the_last_line_is_not_printed_twice():
    assert len(shown(START, terminal=False).splitlines()) == 1
    assert shown(terminal=False) == ""


def test_nothing_left_to_train_is_all_of_it():
    finished = replace(START, num_done=63, num_running=0, updates_total=0, num_workers=1)
    assert shown(finished, terminal=False).startswith(
        "smith2021/fig1b: 100% · 63/63 runs done · 0 running · 1 w"
    )


def test_long_times_are_in_days():
    slow = replace(HALF_WAY, elapsed_s=86_400.0)
    assert "24:00:00 gone · 2.0 days left" in shown(slow, terminal=False)


ON_A_TERMINAL = """
from test_progress import HALF_WAY, START
from sgdlab.orchestration.progress import ProgressView
with ProgressView("smith2021/fig1b") as view:
    view.update(START)
    view.update(HALF_WAY)
"""


def test_a_real_terminal_is_redrawn_in_place():
    primary, secondary = pty.openpty()
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([*sys.path, os.path.dirname(__file__)]),
        "TERM": "xterm",
        "COLUMNS": "80",
        "LINES": "24",
    }
    process = subprocess.Popen([sys.executable, "-c", ON_A_TERMINAL], stderr=secondary, env=environment)
    os.close(secondary)
    output = b""
    while chunk := _read(primary):
        output += chunk
    os.close(primary)
    assert process.wait() == 0
    text = output.decode()
    assert "\x1b[2K" in text  # erased and drawn again
    assert last_frame(text)[1:] == [
        "20/63 runs done · 27 running · 3 diverged · 1 failed",
        "2 workers · 300 updates/s · 1:40 gone · 3:20 left",
    ]
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor comes back


def _read(primary: int) -> bytes:
    try:
        return os.read(primary, 4096)
    except OSError:  # Linux says so when the other end is closed
        return b""
