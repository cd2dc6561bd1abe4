"""Updates a second over all runs: of a pack, and of bare loops in processes of their own."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing as multiprocessing

from performance.torch_networks import build
from performance.work import Work
from sgdlab.training.backends.trial import choose_backend
from sgdlab.training.conductor import PackTask, Progress
from sgdlab.training.fit import train_pack
from sgdlab.training.members import Member

_MANY_UPDATES = 10**7  # never reached: training is stopped when the time is over
_WARM_UP_UPDATES = 5


def packed_rate(work: Work, num_runs: int, device: torch.device, seconds: float) -> float:
    """Train a pack as a worker does, for so long after its second report."""
    runs = replace(work, num_runs=num_runs).runs(_MANY_UPDATES)
    marks: list[tuple[int, float]] = []

    def mark(progress: Progress) -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        marks.append((progress.num_updates_of_running, time.perf_counter()))

    def is_over() -> bool:
        return len(marks) > 2 and marks[-1][1] - marks[1][1] > seconds

    task = PackTask(
        width=num_runs,
        backend=choose_backend(runs, device, _MANY_UPDATES),
        statistics="none",
        device=device,
        new_checkpoint=_thrown_away,
        checkpoint_every_s=float("inf"),
    )
    members = [Member(str(slot), run) for slot, run in enumerate(runs)]
    train_pack(task, members, work.dataset(), lambda _: None, on_progress=mark, stop_requested=is_over)
    (first, start), (last, end) = marks[1], marks[-1]
    return (last - first) / (end - start)


def shared_rate(work: Work, num_processes: int, device: torch.device, seconds: float) -> float:
    """Run bare PyTorch loops side by side, one run a process, all in the same stretch of time."""
    context = multiprocessing.get_context("spawn")
    ready, counts = context.Barrier(num_processes), context.Queue()
    arguments = (work, str(device), seconds, ready, counts)
    processes = [context.Process(target=_loop, args=arguments) for _ in range(num_processes)]
    for process in processes:
        process.start()
    rates = [counts.get() for _ in processes]
    for process in processes:
        process.join()
    if any(rate is None for rate in rates):
        raise MemoryError(f"{num_processes} processes don't fit on {device}")
    return sum(rates)


def _loop(work: Work, device_name: str, seconds: float, ready: Any, counts: Any) -> None:
    device = torch.device(device_name)
    torch.set_num_threads(1)
    try:
        update = _bare_update(work, device)
        for _ in range(_WARM_UP_UPDATES):
            update()
    except torch.OutOfMemoryError:
        counts.put(None)
        ready.abort()
        return
    try:
        ready.wait()
    except Exception:  # another process did not fit
        counts.put(None)
        return
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        update()
        count += 1
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    counts.put(count / (time.perf_counter() - start))


def _bare_update(work: Work, device: torch.device) -> Any:
    """Return what makes one update, as people write it: `nn.Module`, `optim.SGD`, data on the device."""
    model = build(work).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    shape = work.runs(1)[0].data.sample_shape
    inputs, labels = torch.randn(512, *shape, device=device), torch.randint(10, (512,), device=device)

    def update() -> None:
        rows = torch.randint(512, (work.batch_size,), device=device)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs[rows]), labels[rows]).backward()
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)  # or the clock would count launches

    return update


@contextmanager
def _thrown_away(_: Mapping[str, int]) -> Iterator[Path]:
    path = Path("/dev/null")
    yield path
