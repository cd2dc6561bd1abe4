"""What a living attempt tells people of itself: where it trains, how far its runs are, and how fast.

It lies beside the heartbeat, and the same thread writes it, as often. Nobody decides anything by it: whether
an attempt lives is told by the heartbeat alone, and how far a run can be taken up by its checkpoint.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sgdlab.machine.devices import gpu_behind

WINDOW_S = 60.0  # over which a pace is taken


@dataclass(frozen=True)
class News:
    """What an attempt said with its latest heartbeat."""

    device: str  # cpu, or cuda:0 as its process counts
    gpu: str | None  # the number or UUID of that GPU, as its machine knows it
    job: str | None  # Slurm's number: 123_4
    updates_of: Mapping[str, int]  # of the runs in training: key → updates made, earlier attempts included
    updates_per_s: float | None  # over all its runs, in the last minute; None before the first

    def to_json(self) -> bytes:
        """Write the news."""
        return json.dumps(vars(self)).encode()

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read news, or None where there is none to be read, as another version may have written it."""
        try:
            news = cls(**json.loads(path.read_bytes()))
            words = [news.device, news.gpu or "", news.job or ""]
            is_sound = all(isinstance(word, str) for word in words)
            is_sound &= all(isinstance(made, int) for made in news.updates_of.values())
        except (OSError, ValueError, TypeError, AttributeError):
            return None
        return news if is_sound and isinstance(news.updates_per_s, float | int | None) else None


class NewsDesk:
    """Gathers what training says, for the thread that writes it down."""

    def __init__(self, device: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._device, self._clock = device, clock
        self._updates_of: Mapping[str, int] = {}
        self._num_made = 0
        self._made: deque[tuple[float, int]] = deque([(clock(), 0)])  # when, and how many by then

    def hear(self, updates_of: Mapping[str, int], num_made: int) -> None:
        """Take in how far the runs in training are, and how many updates were made since the last word."""
        self._updates_of = updates_of
        self._num_made += num_made

    def news(self) -> News:
        """Return what is to be said now; the pace is over the time since the call about a minute ago."""
        now, num_made = self._clock(), self._num_made
        while len(self._made) > 1 and self._made[1][0] <= now - WINDOW_S:
            self._made.popleft()
        began, before = self._made[0]
        pace = (num_made - before) / (now - began) if num_made and now > began else None
        self._made.append((now, num_made))
        return News(self._device, gpu_behind(self._device), slurm_job(), self._updates_of, pace)


def slurm_job() -> str | None:
    """Return the Slurm job that this process is part of, as `squeue --array` calls it."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID")
