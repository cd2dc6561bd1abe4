"""The dashboard at ten thousand runs, in Chromium: milliseconds and memory against their targets.

A made-up store, as `bench_scale.py` makes it, is served by `sgdlab dashboard`. Then a browser opens both
pages several times, and filters the table of runs; the median counts. First content: from the request to the
first heading of a page. Rows: until the table of all runs is filled. Filter: from a key pressed to the last
row that appears. Memory is the server's, at its peak, with everything opened.

    python benchmarks/bench_dashboard.py [--runs 10000] [--repeats 5] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench_scale import Bench, build

PATIENCE_S = 120.0
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--window-size=1280,800",
)
FILTERS = ("diverged", "failed", "2⁻⁵", "no such run")

# Milliseconds from a new text in a table's search field to the last change of its rows.
FILTER = """
const [text, done] = arguments, field = document.querySelector('[id*=search][id*=runs]');
const table = document.querySelector('[id*=table][id*=runs]');
const start = performance.now();
let last = start;
const observer = new MutationObserver(() => { last = performance.now(); });
observer.observe(table, { childList: true, subtree: true, characterData: true });
const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set;
set.call(field, text);
field.dispatchEvent(new Event('input', { bubbles: true }));
setTimeout(() => { observer.disconnect(); done(last - start); }, 1500);
"""
FIRST_CONTENT = "return document.querySelector('main h1') ? performance.now() : null"
ALL_ROWS = "return document.querySelector('[id*=runs] .ag-row') ? performance.now() : null"


@dataclass(frozen=True)
class Measured:
    """One quantity, its median and its target."""

    name: str
    value: float
    unit: str
    target: float | None

    @property
    def is_within_target(self) -> bool:
        """Whether it is, or has none."""
        return self.target is None or self.value <= self.target


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=10_000, help="a multiple of 100")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="kept; default: one that is thrown away")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-dashboard-") as temporary:
        bench = Bench((options.folder or Path(temporary)).absolute() / str(options.runs), options.runs)
        if not bench.store.runs.exists():
            build(bench)
        measured = measure(bench, options.repeats)
    print(table(measured, bench.num_runs))
    if not all(each.is_within_target for each in measured):
        sys.exit(1)


def measure(bench: Bench, repeats: int) -> list[Measured]:
    """Serve the store and look at it."""
    with served(bench) as (address, pid), chromium() as browser:
        opened = [once_opened(browser, address, "/sweep/many", ALL_ROWS) for _ in range(repeats)]
        first = [
            once_opened(browser, address, path, FIRST_CONTENT) for path in ("/",) for _ in range(repeats)
        ]
        sweep = [once_opened(browser, address, "/sweep/many", FIRST_CONTENT) for _ in range(repeats)]
        wait(lambda: browser.execute_script(ALL_ROWS))
        filtered = [browser.execute_async_script(FILTER, text) for _ in range(repeats) for text in FILTERS]
        peak_mb = peak_kb_of(pid) / 1024
    return [
        Measured("sweeps, first content", statistics.median(first), "ms", 1000),
        Measured("one sweep, first content", statistics.median(sweep), "ms", 1000),
        Measured("one sweep, all rows", statistics.median(opened), "ms", None),
        Measured("filter, median", statistics.median(filtered), "ms", 200),
        Measured("filter, slowest", max(filtered), "ms", None),
        Measured("memory of the server", peak_mb, "MB", 500),
    ]


def table(measured: list[Measured], num_runs: int) -> str:
    """Write what was measured for people."""
    lines = [f"{num_runs:,} runs{'':20}measured{'':4}target"]
    for each in measured:
        target = "" if each.target is None else f"{each.target:6.0f} {each.unit}"
        verdict = "" if each.target is None else "within" if each.is_within_target else "BEYOND"
        lines.append(f"{each.name:28}{each.value:8.0f} {each.unit}  {target}  {verdict}".rstrip())
    return "\n".join(lines)


@contextmanager
def served(bench: Bench) -> Iterator[tuple[str, int]]:
    """Run the command over the store; its sweep has been looked at once."""
    arguments = ["dashboard", str(bench.sweep), "--scale", "bench", "--port", "0"]
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from sgdlab.cli import main; main()",
            *arguments,
            f"folders.store={bench.store.root}",
        ],
        env={**os.environ, "XDG_CACHE_HOME": str(bench.folder / "cache"), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip().rstrip("/"), process.pid
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser of its own."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for flag in FLAGS:
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield browser
    finally:
        browser.quit()


def once_opened(browser: Any, address: str, path: str, script: str) -> float:
    """Open a page; return the milliseconds after which a script in it answers."""
    browser.get(address + path)
    return float(wait(lambda: browser.execute_script(script)))


def wait(condition: Callable[[], Any]) -> Any:
    """Ask until there is an answer, every few milliseconds."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise SystemExit("the page didn't come")
        time.sleep(0.005)
    return found


def peak_kb_of(pid: int) -> int:
    """Return the most memory that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])  # type: ignore[index]


if __name__ == "__main__":
    main()
