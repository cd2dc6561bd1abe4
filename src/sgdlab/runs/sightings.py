"""What short commands have seen of heartbeats, kept for the next: only time tells that a worker is silent.

A file on the local disk: attempt → the counter that was seen, and since when, in seconds after the boot. It
may be deleted at any time; then everybody counts as alive once more.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sgdlab.machine.cache_folder import cache_folder
from sgdlab.runs.files import replace
from sgdlab.runs.layout import Layout
from sgdlab.runs.observer import Observer, Sightings
from sgdlab.runs.processes import Process


@contextmanager
def remembering_observer(layout: Layout, lease_timeout_s: float) -> Iterator[Observer]:
    """Give an observer that has seen what earlier ones on this machine saw since its boot."""
    digest = hashlib.sha256(str(layout.root).encode()).hexdigest()[:16]
    path = cache_folder() / "sightings" / f"{digest}.json"
    boot = Process.current().boot_id
    observer = Observer(layout, lease_timeout_s, _seconds_since_boot, _read(path, boot))
    yield observer
    seen = {name: seen for name, seen in observer.sightings.items() if not layout.attempt(name).has_ended()}
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, json.dumps({"boot": boot, "seen": seen}).encode())


def _seconds_since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _read(path: Path, boot: str) -> Sightings:
    try:
        content = json.loads(path.read_bytes())
        if content["boot"] != boot:
            return {}
        return {attempt: (count, float(since)) for attempt, (count, since) in content["seen"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
