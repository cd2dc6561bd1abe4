"""A pool of worker processes on this machine.

The pool starts workers, listens to them, and starts another where one dies while work is left. It holds no
state that matters: killed at any instant and started again, it goes on from what the store holds.
"""

from __future__ import annotations

import json
import os
import queue
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any

from sgdlab.config.execution import LocalLauncher
from sgdlab.errors import UserError
from sgdlab.launch.devices import worker_devices
from sgdlab.launch.worker_process import BROKEN_EXIT, FATAL_EXIT
from sgdlab.runs.store import Store
from sgdlab.sweeps.plan import FrozenPlan

_STOP_TIMEOUT_S = 60.0  # for workers to leave a checkpoint
_STOP_TIMEOUT_IDLE_S = 2.0  # for workers that train nothing: killing them loses nothing
_MAX_DEATHS_AT_START = 3  # killed one after the other, none of them having got as far as training
_NUM_LAST_WORDS = 4  # lines


@dataclass
class PoolStatus:
    """What the pool knows now."""

    num_workers: int = 0
    num_running: int = 0  # runs in training
    num_updates: int = 0  # made by the workers of this pool, over all runs
    num_updates_of_running: int = 0  # how far the runs in training are, earlier attempts included
    ended: list[str] = field(default_factory=list)  # keys of runs that its workers have brought to an end
    elapsed_s: float = 0.0


@dataclass
class _WorkerProcess:
    process: subprocess.Popen[str]
    device: str
    errors: IO[bytes]
    is_ready: bool = False  # has everything imported
    has_trained: bool = False  # has begun to
    num_running: int = 0
    num_updates_of_running: int = 0
    fatal: str | None = None
    reader: threading.Thread | None = None


_Queue = queue.Queue[tuple[_WorkerProcess, dict[str, Any]]]


@dataclass
class LocalPool:
    """Workers for one plan; `run` returns when every run has its outcome, or a stop was requested."""

    plan: FrozenPlan
    store: Store
    launcher: LocalLauncher
    on_status: Callable[[PoolStatus], None] = lambda _: None
    on_start: Callable[[int], None] = lambda _: None  # told the process number of each worker
    stop_requested: Callable[[], bool] = lambda: False  # asked several times a second
    session: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}")
    status: PoolStatus = field(default_factory=PoolStatus)
    _deaths_at_start: int = 0

    def run(self) -> None:
        """Train the plan.

        Raises
        ------
        UserError
            If something is wrong that isn't a run's fault, or workers can't start.
        KeyboardInterrupt
            After the workers have left their checkpoints.
        """
        num_open = sum(not all(map(self.store.is_settled, pack.keys)) for pack in self.plan.packs)
        if not num_open:
            return
        devices = worker_devices(self.launcher, num_packs=num_open)
        news: _Queue = queue.Queue()
        workers = [self._start(device, news) for device in devices]
        started = time.monotonic()
        try:
            while workers and not self.stop_requested():
                self._listen(news)
                self.status.elapsed_s = time.monotonic() - started
                self.status.num_workers = len(workers)
                self.status.num_running = sum(worker.num_running for worker in workers)
                self.status.num_updates_of_running = sum(worker.num_updates_of_running for worker in workers)
                self.on_status(self.status)
                for worker in [w for w in workers if w.process.poll() is not None]:
                    workers.remove(worker)
                    self._drain(worker, news)
                    if worker.process.returncode != 0:
                        self._refuse_hopeless(worker)
                        workers.append(self._start(worker.device, news))
        finally:
            _stop(workers)

    def _refuse_hopeless(self, worker: _WorkerProcess) -> None:
        """Raise unless another worker may fare better: only one that was killed is worth replacing."""
        exit_code = worker.process.returncode
        if exit_code == FATAL_EXIT and worker.fatal:
            raise UserError(worker.fatal)
        if exit_code == BROKEN_EXIT and worker.is_ready:
            raise UserError(f"a worker broke down; its last words:\n{_last_words(worker)}")
        if not worker.has_trained:
            self._deaths_at_start += 1
            is_hopeless = exit_code > 0 and not worker.is_ready
            if is_hopeless or self._deaths_at_start == _MAX_DEATHS_AT_START:
                raise UserError(f"workers can't start; the last words of one:\n{_last_words(worker)}")

    def _start(self, device: str, news: _Queue) -> _WorkerProcess:
        command = [sys.executable, "-m", "sgdlab.launch.worker_process", str(self.plan.path)]
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        process = subprocess.Popen(
            [*command, str(self.store.root), self.session, device],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=single_threaded(os.environ),
            start_new_session=True,  # Ctrl-C is for the pool, which asks its workers to stop
        )
        self.on_start(process.pid)
        worker = _WorkerProcess(process, device, errors)
        worker.reader = threading.Thread(target=_read_news, args=(worker, news), daemon=True)
        worker.reader.start()
        return worker

    def _listen(self, news: _Queue) -> None:
        """Take in what workers have said; wait a moment for the first word."""
        timeout = 0.2
        while True:
            try:
                worker, content = news.get(timeout=timeout)
            except queue.Empty:
                return
            timeout = 0.0001
            worker.is_ready |= bool(content.get("ready"))
            if content.get("running"):
                worker.has_trained, self._deaths_at_start = True, 0
            worker.num_running = int(content.get("running", worker.num_running))
            worker.num_updates_of_running = int(
                content.get("updates_of_running", worker.num_updates_of_running)
            )
            worker.fatal = str(content["fatal"]) if "fatal" in content else worker.fatal
            self.status.num_updates += int(content.get("updates", 0))
            self.status.ended += content.get("ended", ())

    def _drain(self, worker: _WorkerProcess, news: _Queue) -> None:
        """Hear a dead worker out."""
        assert worker.reader is not None
        worker.reader.join(timeout=5)
        self._listen(news)


def single_threaded(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process that trains.

    One thread a worker: with more, small operations are many times slower on busy cores. And MKL's kernels
    for AVX2, whatever the alignment of the numbers: left to itself it takes others for a slot that doesn't
    start at a multiple of 64 bytes, and a run's bits depend on its place in the pack.
    """
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {"MKL_CBWR": "AVX2", **environment, **dict.fromkeys(names, "1")}


def _read_news(worker: _WorkerProcess, news: _Queue) -> None:
    assert worker.process.stdout is not None
    for line in worker.process.stdout:
        try:
            news.put((worker, json.loads(line)))
        except ValueError:
            continue  # a line torn by a kill


def _stop(workers: list[_WorkerProcess]) -> None:
    """Ask workers to stop by closing their input; kill those that don't, the idle ones first."""
    for worker in workers:
        assert worker.process.stdin is not None
        worker.process.stdin.close()
    asked = time.monotonic()
    for worker in sorted(workers, key=lambda worker: worker.num_running):
        deadline = asked + (_STOP_TIMEOUT_S if worker.num_running else _STOP_TIMEOUT_IDLE_S)
        try:
            worker.process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            worker.process.kill()


def _last_words(worker: _WorkerProcess) -> str:
    worker.errors.seek(0)
    lines = worker.errors.read().decode(errors="replace").strip().splitlines()[-_NUM_LAST_WORDS:]
    return "\n".join(f"  {line}" for line in lines or [f"nothing; exit code {worker.process.returncode}"])
