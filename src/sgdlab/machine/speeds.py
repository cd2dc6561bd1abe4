"""How long one update takes on this machine, as measured: kept in the user's cache folder, one file a step.

What is known of one pack width serves its neighbours: times are kept for widths that are powers of two.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

from sgdlab import __version__
from sgdlab.machine.cache_folder import cache_folder

_FORMAT = 1


@dataclass(frozen=True)
class Speed:
    """What one backend was measured to take."""

    setup_s: float  # until the first update is made: compilation, mostly
    update_s: float  # of one update of one run, when so many are trained together

    def total_s(self, num_updates: int) -> float:
        """Return the seconds that so many updates take, the setup included, all runs counted."""
        return self.setup_s + num_updates * self.update_s


class SpeedTable:
    """The speeds of one step on one device, by pack width and backend."""

    def __init__(self, step: str, device: str, folder: Path | None = None) -> None:
        self._about = {
            "format": _FORMAT,
            "step": step,
            "device": device,
            "torch": version("torch"),
            "sgdlab": __version__,
        }
        digest = hashlib.sha256(json.dumps(self._about, sort_keys=True).encode()).hexdigest()[:24]
        self._path = (folder or cache_folder() / "speeds") / f"{digest}.json"

    def at(self, width: int) -> dict[str, Speed]:
        """Return the speeds of the backends measured at such a width."""
        return self._read().get(_rounded(width), {})

    def by_width(self) -> dict[int, Speed]:
        """Return the speed of the fastest backend at each width that was measured."""
        return {
            width: min(speeds.values(), key=lambda speed: speed.update_s)
            for width, speeds in sorted(self._read().items())
            if speeds
        }

    def add(self, width: int, backend: str, speed: Speed) -> None:
        """Write a measurement down; that the cache can't be written only means to measure again."""
        known = self._read()
        known.setdefault(_rounded(width), {})[backend] = speed
        content = {
            **self._about,
            "widths": {w: {name: asdict(s) for name, s in of.items()} for w, of in known.items()},
        }
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self._path.parent, delete=False) as file:
                json.dump(content, file, indent=1)
            os.replace(file.name, self._path)
        except OSError:
            return

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one process measure at a time: two would slow each other, and the second one finds it done."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self._path.with_suffix(".lock"))
            lock.acquire()
        except OSError:
            yield
            return
        try:
            yield
        finally:
            lock.release()

    def _read(self) -> dict[int, dict[str, Speed]]:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            return {
                int(width): {name: Speed(**speed) for name, speed in speeds.items()}
                for width, speeds in content["widths"].items()
            }
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return {}  # nothing was measured, or the file is damaged


def _rounded(width: int) -> int:
    return int(2 ** round(math.log2(width)))
