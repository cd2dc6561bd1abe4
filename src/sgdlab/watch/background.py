"""Threads that look, so that keys are heard at once however slow a file system, Slurm or a driver is.

They are daemons: leaving the view waits for none of them, not even for one that hangs in a dead mount.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from sgdlab.errors import UserError

T = TypeVar("T")


@dataclass(frozen=True)
class Problem:
    """Why something couldn't be done, in words."""

    text: str


def attempted(work: Callable[[], T]) -> T | Problem:
    """Do something; return why it couldn't be done instead of raising: a view shows it, and goes on."""
    try:
        return work()
    except UserError as error:
        return Problem(str(error))
    except Exception as error:  # whatever stands in a store that others write must not end the view
        return Problem(f"{type(error).__name__}: {error}")


def start(name: str, work: Callable[[], None]) -> None:
    """Start a daemon."""
    threading.Thread(target=work, name=name, daemon=True).start()


class Looking(Generic[T]):
    """Looks again and again, with pauses between, and tells what was seen or why nothing was."""

    def __init__(
        self, name: str, look: Callable[[], T], tell: Callable[[T | Problem], object], every_s: float
    ) -> None:
        self._look, self._tell, self._every_s = look, tell, every_s
        self._wake = threading.Event()
        self._is_over = False
        start(name, self._go_on)

    def at_once(self) -> None:
        """Look without waiting for the pause to end."""
        self._wake.set()

    def stop(self) -> None:
        """Look no more; a look under way may end whenever it does."""
        self._is_over = True
        self._wake.set()

    def _go_on(self) -> None:
        while not self._is_over:
            self._wake.clear()
            seen = attempted(self._look)
            if not self._is_over:
                self._tell(seen)
            self._wake.wait(self._every_s)
