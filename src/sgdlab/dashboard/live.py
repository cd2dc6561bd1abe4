"""The live state of all sweeps, read by a thread of its own while somebody looks: no page waits for it."""

from __future__ import annotations

import threading
from typing import Self

from sgdlab.errors import UserError
from sgdlab.launch.live.reader import LiveReader
from sgdlab.launch.live.state import LiveState, RunState

_REST_S = 1.0  # between two readings


class Live:
    """The latest state, to be used in a `with` block; any thread may ask."""

    def __init__(self, reader: LiveReader) -> None:
        self.state: LiveState | None = None  # None until everything was looked at once
        self.problem: str | None = None  # why it can't be read
        self._reader = reader
        self._asked, self._read, self._closing = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._keep_reading, name="live state", daemon=True)

    def __enter__(self) -> Self:
        self._asked.set()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._asked.set()
        self._thread.join(timeout=5)

    def ask(self) -> LiveState | None:
        """Return the latest state, and have a newer one read."""
        self._asked.set()
        return self.state

    def runs_of(self, title: str) -> dict[str, RunState]:
        """Return key → the state of each run of a sweep, as it was read last; nothing before that."""
        return {run.key: run for run in self._reader.runs_of(title)} if self.state else {}

    def wait(self, seconds: float) -> LiveState | None:
        """Return the first state, or None if it takes longer than that."""
        self._read.wait(seconds)
        return self.ask()

    def _keep_reading(self) -> None:
        with self._reader as reader:
            while not self._closing.is_set():
                self._asked.clear()
                try:
                    self.state, self.problem = reader.read(), None
                except UserError as error:
                    self.problem = str(error)
                self._read.set()
                self._closing.wait(_REST_S)
                self._asked.wait()
