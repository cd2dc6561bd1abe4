"""A terminal that a person looks at: `sgdlab watch` on a pseudo-terminal, and what stands on its screen."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pexpect
import pyte
import pytest

PATIENCE_S = 300.0


@dataclass
class Screen:
    """A process, and the screen that it draws on."""

    process: pexpect.spawn
    columns: int
    lines: int
    raw: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._screen = pyte.Screen(self.columns, self.lines)
        self._stream = pyte.ByteStream(self._screen)

    def look(self) -> str:
        """Take in what was drawn, and return what stands there now."""
        while True:
            try:
                data = self.process.read_nonblocking(65536, timeout=0.05)
            except (pexpect.TIMEOUT, pexpect.EOF):
                return "\n".join(line.rstrip() for line in self._screen.display)
            self.raw.append(data)
            self._stream.feed(data)

    def wait_for(self, *words: str, without: str | None = None) -> str:
        """Wait until all the words stand there, and some other doesn't; return what stands there."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            seen = self.look()
            if all(word in seen for word in words) and (without is None or without not in seen):
                return seen
            assert self.process.isalive(), f"it ended\n{seen}"
            assert time.monotonic() < deadline, f"{words} never came\n{seen}"

    def press(self, *keys: str) -> None:
        for key in keys:
            self.process.send(key)

    def resize(self, columns: int, lines: int) -> None:
        self.process.setwinsize(lines, columns)
        self._screen.resize(lines, columns)

    def wait_for_end(self) -> int:
        """Wait until the process has ended; return its exit status."""
        self.process.expect(pexpect.EOF, timeout=PATIENCE_S)
        self.raw.append(self.process.before)
        self.process.close()
        return self.process.exitstatus if self.process.signalstatus is None else -self.process.signalstatus

    @property
    def colours(self) -> set[str]:
        """The colours on the screen, but for the terminal's own."""
        cells = (cell for line in self._screen.buffer.values() for cell in line.values())
        return {colour for cell in cells for colour in (cell.fg, cell.bg)} - {"default"}


@pytest.fixture
def watching(terminal) -> Iterator[Callable[..., Screen]]:
    """Start `sgdlab watch` in the terminal's folder, on a screen of 80 × 24."""
    started: list[Screen] = []

    def watch(*arguments: str, columns: int = 80, lines: int = 24, **environment: str) -> Screen:
        dropped = ("COLUMNS", "LINES", "NO_COLOR", "LC_ALL", "LC_CTYPE", "SGDLAB_DATA")
        inherited = {key: value for key, value in os.environ.items() if key not in dropped}
        own = {
            "XDG_CACHE_HOME": str(terminal.folder / "cache"),
            "TMPDIR": str(terminal.folder / "tmp"),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
        }
        process = pexpect.spawn(
            sys.executable,
            ["-c", "from sgdlab.cli import main; main()", "watch", *arguments],
            cwd=str(terminal.folder),
            env=inherited | own | terminal.environment | environment,
            dimensions=(lines, columns),
        )
        started.append(Screen(process, columns, lines))
        return started[-1]

    yield watch
    for screen in started:
        if screen.process.isalive():
            screen.process.kill(signal.SIGKILL)
        screen.process.close()
