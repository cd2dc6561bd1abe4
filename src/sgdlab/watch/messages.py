"""What threads tell the view."""

from __future__ import annotations

from textual.message import Message

from sgdlab.launch.live.state import LiveState
from sgdlab.launch.slurm.overview import Jobs
from sgdlab.machine.gpu_load import GpuLoads
from sgdlab.watch.background import Problem


class Seen(Message):
    """A look at the store has ended."""

    def __init__(self, live: LiveState | Problem) -> None:
        super().__init__()
        self.live = live


class Asked(Message):
    """Slurm, or the driver of the GPUs, has answered."""

    def __init__(self, answer: Jobs | GpuLoads | Problem) -> None:
        super().__init__()
        self.answer = answer


class Acted(Message):
    """Something that a key asked for is done, or couldn't be."""

    def __init__(self, word: str | Problem) -> None:
        super().__init__()
        self.word = word
