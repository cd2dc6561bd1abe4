"""What one job of an array says of itself, over all its incarnations: a requeued job keeps its index.

begun.json      which process is the job now: written anew each time that Slurm starts it
workers.jsonl   the worker processes of all incarnations
reserve         as much room as the last word takes: a job that ends since the disk is full can still say so
ended.json      the last word of the latest one
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from sgdlab.runs.attempt_folder import Holder
from sgdlab.runs.files import naming, replace
from sgdlab.runs.layout import Layout
from sgdlab.runs.processes import Process

EndReason = Literal["finished", "idle", "requeued", "succeeded", "stopped", "cancelled", "broken"]
"""`succeeded`: by a job of a further submission. `stopped`: by a signal; Slurm may start it again."""
COMES_BACK: tuple[EndReason, ...] = ("requeued", "stopped")  # in the same place of the array

_NUM_BYTES_RESERVED = 4096


@dataclass(frozen=True)
class Ended:
    """The last word of a job's latest incarnation."""

    reason: EndReason
    host: str
    text: str  # why it broke, or can't go on
    at: str  # ISO 8601, for people


@dataclass(frozen=True)
class JobFolder:
    """The folder of one job."""

    path: Path

    @property
    def index(self) -> int:
        """Its place in the array."""
        return int(self.path.name)

    def begin(self, layout: Layout) -> None:
        """Take the job up, again perhaps: what its earlier incarnation left undone was no run's fault.

        Slurm starts a job again after a preemption, a requeue or the loss of its node. The attempts that were
        going on are released, so that others needn't wait for their leases, and count as no deaths.
        """
        with naming(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            replace(self.path / "begun.json", json.dumps(asdict(Process.current())).encode())
            (self.path / "reserve").write_bytes(bytes(_NUM_BYTES_RESERVED))
            (self.path / "ended.json").unlink(missing_ok=True)
        earlier = set(self._read_workers())
        for folder in layout.attempts.glob("*") if earlier else ():
            attempt = layout.attempt(folder.name)
            holder = Holder.read(attempt.holder_path)
            if holder is not None and holder.process in earlier:
                attempt.release()

    def is_held(self) -> bool:
        """Whether this process is the job still: Slurm starts it again where it has lost sight of a node."""
        try:
            return _read_process((self.path / "begun.json").read_bytes()) == Process.current()
        except OSError:
            return True  # nobody else is known

    def record_worker(self, worker: Process) -> None:
        """Note a worker process that the job has started."""
        with naming(self.path), (self.path / "workers.jsonl").open("a") as file:
            file.write(json.dumps(asdict(worker)) + "\n")

    def end(self, reason: EndReason, text: str = "") -> None:
        """Say why the job ends, unless it goes on elsewhere."""
        host = Process.current().host
        ended = Ended(reason, host, text, datetime.now(UTC).isoformat(timespec="seconds"))
        with naming(self.path):
            if self.is_held():
                (self.path / "reserve").unlink(missing_ok=True)
                replace(self.path / "ended.json", json.dumps(asdict(ended), indent=1).encode())

    def ended(self) -> Ended | None:
        """Return the last word, or None while there is none."""
        try:
            return Ended(**json.loads((self.path / "ended.json").read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def _read_workers(self) -> set[Process]:
        try:
            lines = (self.path / "workers.jsonl").read_bytes().splitlines()
        except FileNotFoundError:
            return set()
        return {worker for worker in map(_read_process, lines) if worker is not None}


def _read_process(line: bytes) -> Process | None:
    """Read a process, or None where a kill has torn the line."""
    try:
        return Process(**json.loads(line))
    except (ValueError, TypeError):
        return None
