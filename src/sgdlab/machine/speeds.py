"""How long training takes on this machine, as measured: kept in the user's cache folder, one file a step.

What is known of one pack width serves its neighbours: times are kept for widths that are powers of two.
Two things are measured. A `BackendSpeed` is that of bare updates, to choose a backend by. A `TrainingSpeed`
is that of whole training with one backend, from which the cost of a run is reckoned.
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
from typing import Any

from filelock import FileLock

from sgdlab import __version__
from sgdlab.machine.cache_folder import cache_folder

_FORMAT = 3


@dataclass(frozen=True)
class BackendSpeed:
    """What one backend was measured to take."""

    setup_s: float  # until the first update is made: compilation, mostly
    update_s: float  # of one update of one run, when so many are trained together
    num_bytes: int  # of memory for the whole pack at its peak, without the data

    def total_s(self, num_updates: int) -> float:
        """Return the seconds that so many updates take, the setup included, all runs counted."""
        return self.setup_s + num_updates * self.update_s


@dataclass(frozen=True)
class TrainingSpeed:
    """What training a pack of one width was measured to take, everything around the updates included."""

    backend: str
    setup_s: float  # of the pack: network, trainer, backend
    update_s: float  # of one update of one run
    evaluation_s: float  # of one evaluation of the pack, however few the examples
    example_s: float  # of one example of one run in an evaluation
    gradient_s: float  # of one minibatch of one run, in measuring C_reg and ‖∇C‖²


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

    def at(self, width: int) -> dict[str, BackendSpeed]:
        """Return the speeds of the backends measured at such a width."""
        return {name: of[_rounded(width)] for name, of in self.backends().items() if _rounded(width) in of}

    def backends(self) -> dict[str, dict[int, BackendSpeed]]:
        """Return what was measured of each backend, by width."""
        return {
            name: {int(width): BackendSpeed(**speed) for width, speed in sorted(of.items(), key=_by_width)}
            for name, of in self._read()["backends"].items()
        }

    def training(self) -> dict[str, dict[int, TrainingSpeed]]:
        """Return what was measured of training with each backend, by width."""
        return {
            name: {int(width): TrainingSpeed(**speed) for width, speed in sorted(of.items(), key=_by_width)}
            for name, of in self._read()["training"].items()
        }

    def add(self, width: int, backend: str, speed: BackendSpeed) -> None:
        """Write a measurement down; that the cache can't be written only means to measure again."""
        self._write("backends", width, backend, asdict(speed))

    def add_training(self, width: int, speed: TrainingSpeed) -> None:
        """Write a measurement of whole training down."""
        self._write("training", width, speed.backend, asdict(speed))

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

    def _write(self, kind: str, width: int, backend: str, speed: dict[str, Any]) -> None:
        content = self._read()
        content[kind].setdefault(backend, {})[str(_rounded(width))] = speed
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self._path.parent, delete=False) as file:
                json.dump({**self._about, **content}, file, indent=1)
            os.replace(file.name, self._path)
        except OSError:
            return

    def _read(self) -> dict[str, dict[str, dict[str, Any]]]:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            for kind, made in (("backends", BackendSpeed), ("training", TrainingSpeed)):
                for of in content[kind].values():
                    for width, speed in of.items():
                        int(width), made(**speed)
            return {kind: content[kind] for kind in ("backends", "training")}
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return {"backends": {}, "training": {}}  # nothing was measured, or the file is damaged


def _by_width(entry: tuple[str, Any]) -> int:
    return int(entry[0])


def _rounded(width: int) -> int:
    return int(2 ** round(math.log2(width)))
