"""Several ranks on a CPU, for tests: a process with everything imported, which forks one for each rank.

Tests can't fork themselves: automatic differentiation doesn't survive it. What is asked for comes pickled on
standard input, and the name of the folder with what every rank came to goes back on standard output.
"""

import os
import pickle
import struct
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import torch

from sgdlab.config.schema import Run
from sgdlab.data.dataset import Dataset
from sgdlab.data.pipeline import ResidentPipeline
from sgdlab.launch.worker_process import quieten_libraries
from sgdlab.training import population
from sgdlab.training.conductor import PackTask, TrainedRun
from sgdlab.training.fit import follow_pack, train_pack
from sgdlab.training.members import Member
from sgdlab.training.population import Population
from sgdlab.training.ranks import ALONE, Ranks, joined, meeting_place

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Updates:
    """Make updates and nothing else; each rank returns the state of all runs, stacked."""

    runs: list[Run]
    dataset: Dataset
    num_updates: int
    backend: str = "batched"
    examples_per_pass: int | None = None

    def __call__(self, ranks: Ranks) -> dict[str, torch.Tensor]:
        pipeline = ResidentPipeline(
            self.runs[0].data, self.dataset, CPU, getattr(torch, self.runs[0].precision)
        )
        members = [Member(str(slot), run) for slot, run in enumerate(self.runs)]
        made = Population(
            members, pipeline, self.backend, ranks=ranks, examples_per_pass=self.examples_per_pass
        )
        while (missing := self.num_updates - made.members[0].update) > 0:
            made._chunk_length = missing
            made._advance()
        return {name: values.detach() for name, values in made.state.named(made.names)}


@dataclass(frozen=True)
class Training:
    """Train runs to their ends, and others in their slots; rank 0 returns them and its checkpoint."""

    runs: list[Run]
    dataset: Dataset
    waiting: list[Run] = field(default_factory=list)
    states: dict[str, Any] = field(default_factory=dict)  # to go on from
    stop_after: int | None = None  # chunks of one update
    order: tuple[int, ...] = ()  # of the runs in their slots
    examples_per_pass: int | None = None

    def __call__(self, ranks: Ranks) -> tuple[dict[str, TrainedRun], dict[str, Any]] | None:
        if self.stop_after is not None:
            population.MAX_UPDATES_PER_CHUNK = 1
        if ranks.rank > 0:
            follow_pack(ranks, CPU, lambda _: self.dataset)
            return None
        everyone = list(enumerate([*self.runs, *self.waiting]))
        members = [self._member(str(place), run) for place, run in everyone]
        first = members[: len(self.runs)]
        first = [first[place] for place in self.order] or first
        queue, ended = members[len(self.runs) :], {}
        path = Path(tempfile.mkdtemp()) / "checkpoint"
        task = PackTask(
            len(first),
            "batched",
            "evaluations",
            CPU,
            lambda _: nullcontext(path),
            1e9,
            self.examples_per_pass,
        )
        asked = count(1)

        def hand_out(run: TrainedRun) -> None:
            ended[run.key] = run

        train_pack(
            task,
            first,
            self.dataset,
            hand_out,
            lambda num_slots, _: [queue.pop(0) for _ in range(min(num_slots, len(queue)))],
            stop_requested=lambda: self.stop_after is not None and next(asked) >= self.stop_after,
            ranks=ranks,
        )
        states = torch.load(path, weights_only=True)["members"] if path.exists() else {}
        return ended, states

    def _member(self, key: str, run: Run) -> Member:
        return Member.from_state(key, run, self.states[key]) if key in self.states else Member(key, run)


_KINDS = {"Updates": Updates, "Training": Training}


def main() -> None:
    while size := sys.stdin.buffer.read(4):
        (num_bytes,) = struct.unpack("I", size)
        num_ranks, kind, work = pickle.loads(sys.stdin.buffer.read(num_bytes))
        print(together(num_ranks, _KINDS[kind](**work)), flush=True)


def together(num_ranks: int, work: Callable[[Ranks], Any]) -> Path:
    """Let each rank do the work in a process of its own; return where what each came to lies, or its error.

    The meeting place has a thread, and a process that forks while it has one may leave its children with a
    lock that nobody will ever open. So the ranks are there first, and are told the port.
    """
    folder = Path(tempfile.mkdtemp())
    hears, tells = os.pipe()
    children = []
    for rank in range(num_ranks):
        child = os.fork()
        if child == 0:
            (port,) = struct.unpack("I", os.read(hears, 4))
            try:
                if num_ranks == 1:
                    result = work(ALONE)
                else:
                    with joined(rank, num_ranks, meeting_place(num_ranks, port), CPU) as ranks:
                        result = work(ranks)
            except BaseException:
                result = RuntimeError(traceback.format_exc())
            (folder / str(rank)).write_bytes(pickle.dumps(result))
            os._exit(0)
        children.append(child)
    place = meeting_place(num_ranks) if num_ranks > 1 else None
    os.write(tells, struct.pack("I", place.port if place else 0) * num_ranks)
    for child in children:
        os.waitpid(child, 0)
    os.close(hears), os.close(tells)
    return folder


if __name__ == "__main__":
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    quieten_libraries()
    main()
