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
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any

from sgdlab.errors import UserError
from sgdlab.launch.devices import worker_devices
from sgdlab.launch.worker_process import FATAL_EXIT
from sgdlab.runs.store import Store
from sgdlab.sweeps.plan import FrozenPlan

_STOP_TIMEOUT_S = 60.0  # for workers to leave a checkpoint
_MAX_DEATHS_AT_START = 2  # of workers that never got as far as working


@dataclass
class PoolStatus:
    """What the pool knows now."""

    num_workers: int = 0
    num_running: int = 0  # runs in training
    num_updates: int = 0  # made by the workers of this pool, over all runs
    elapsed_s: float = 0.0


@dataclass
class _WorkerProcess:
    process: subprocess.Popen[str]
    device: str
    errors: IO[bytes]
    is_ready: bool = False
    num_running: int = 0
    fatal: str | None = None
    reader: threading.Thread | None = None


_Queue = queue.Queue[tuple[_WorkerProcess, dict[str, Any]]]


@dataclass
class LocalPool:
    """Workers for one plan; `run` returns when every run has its outcome."""

    plan: FrozenPlan
    store: Store
    on_status: Callable[[PoolStatus], None] = lambda _: None
    session: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}")
    status: PoolStatus = field(default_factory=PoolStatus)

    def run(self) -> None:
        """Train the plan.

        Raises
        ------
        UserError
            If something is wrong that isn't a run's fault, or workers can't start.
        KeyboardInterrupt
            After the workers have left their checkpoints.
        """
        launcher = self.plan.execution.launcher
        devices = worker_devices(launcher, num_packs=len(self.plan.packs))
        news: _Queue = queue.Queue()
        workers = [self._start(device, news) for device in devices]
        started, deaths_at_start = time.monotonic(), 0
        try:
            while workers:
                self._listen(news)
                self.status.elapsed_s = time.monotonic() - started
                self.status.num_running = sum(worker.num_running for worker in workers)
                self.status.num_workers = len(workers)
                self.on_status(self.status)
                for worker in [w for w in workers if w.process.poll() is not None]:
                    workers.remove(worker)
                    self._drain(worker, news)
                    if worker.process.returncode == FATAL_EXIT and worker.fatal:
                        raise UserError(worker.fatal)
                    if worker.process.returncode != 0:
                        deaths_at_start += not worker.is_ready
                        if deaths_at_start >= _MAX_DEATHS_AT_START:
                            raise UserError(f"workers can't start: {_last_words(worker)}")
                        workers.append(self._start(worker.device, news))
        finally:
            _stop(workers)

    def _start(self, device: str, news: _Queue) -> _WorkerProcess:
        command = [sys.executable, "-m", "sgdlab.launch.worker_process", str(self.plan.path)]
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        process = subprocess.Popen(
            [*command, str(self.store.root), self.session, device],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=_arithmetic(os.environ),
            start_new_session=True,  # Ctrl-C is for the pool, which asks its workers to stop
        )
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
            worker.num_running = int(content.get("running", worker.num_running))
            worker.fatal = str(content["fatal"]) if "fatal" in content else worker.fatal
            self.status.num_updates += int(content.get("updates", 0))

    def _drain(self, worker: _WorkerProcess, news: _Queue) -> None:
        """Hear a dead worker out."""
        assert worker.reader is not None
        worker.reader.join(timeout=5)
        self._listen(news)


def _read_news(worker: _WorkerProcess, news: _Queue) -> None:
    assert worker.process.stdout is not None
    for line in worker.process.stdout:
        try:
            news.put((worker, json.loads(line)))
        except ValueError:
            continue  # a line torn by a kill


def _stop(workers: list[_WorkerProcess]) -> None:
    """Ask workers to stop by closing their input; kill those that don't."""
    for worker in workers:
        assert worker.process.stdin is not None
        worker.process.stdin.close()
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    for worker in workers:
        try:
            worker.process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            worker.process.kill()


def _arithmetic(environment: os._Environ[str]) -> dict[str, str]:
    """One thread a worker: with more, small operations are many times slower on busy cores.

    And MKL's kernels for AVX2, whatever the alignment of the numbers: left to itself it takes others for a
    slot that doesn't start at a multiple of 64 bytes, and a run's bits depend on its place in the pack.
    """
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {"MKL_CBWR": "AVX2", **environment, **dict.fromkeys(names, "1")}


def _last_words(worker: _WorkerProcess) -> str:
    worker.errors.seek(0)
    lines = worker.errors.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {worker.process.returncode}, and nothing was said"
