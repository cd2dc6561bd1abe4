"""The process that a pool starts: one worker, its life line, and its news.

It works until its standard input closes, or a signal asks it to end: should the pool die in whatever way, the
worker stops at the next update, leaves a checkpoint, and ends. News goes to the pool as lines of JSON;
whatever else is printed goes to the log of the attempt.
"""

from __future__ import annotations

import faulthandler
import json
import os
import platform
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sgdlab.errors import UserError
from sgdlab.launch.followers import Followers
from sgdlab.runs.files import naming
from sgdlab.runs.store import Store
from sgdlab.sweeps.plan import load_plan

if TYPE_CHECKING:
    import torch

    from sgdlab.training.fit import Progress

FATAL_EXIT = 3  # something is wrong that isn't a run's fault, and the news says what: the pool stops
BROKEN_EXIT = 4  # an error outside of all training; its traceback is on standard error: the pool stops
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR2)  # Slurm sends them to every process of a job


def main(arguments: list[str]) -> int:
    """Run a worker: PLAN STORE SESSION DEVICE."""
    plan_path, store_root, session, device = arguments
    news = _News()
    stop = threading.Event()
    # Blocked, and waited for, in place of a handler: Lightning would put its own before that one, and end
    # training at once, without a checkpoint. Threads that start later inherit what is blocked.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    for wait in (_wait_for_end_of_input, _wait_for_signal):
        threading.Thread(target=wait, args=(stop,), daemon=True).start()
    try:
        plan = load_plan(Path(plan_path))
        execution = plan.execution
        num_devices = execution.launcher.devices_per_run
        with Followers(device, num_devices, execution.folders.data) as followers:
            import torch

            from sgdlab.launch.worker import Worker

            torch.set_num_threads(1)
            quieten_libraries()
            _refuse_missing_gpu(torch.device(device))
            news.send(ready=True)
            worker = Worker(
                plan,
                Store(Path(store_root)),
                session,
                torch.device(device),
                followers,
                stop_requested=stop.is_set,
                on_progress=news.add_progress,
                logging_to=redirected_output,
            )
            worker.work()
    except UserError as error:
        news.send(fatal=str(error))
        return FATAL_EXIT
    except Exception:
        traceback.print_exc()
        return BROKEN_EXIT
    return 0


def _refuse_missing_gpu(device: torch.device) -> None:
    import torch

    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(
            f"{platform.node()}: torch {torch.__version__} sees no GPU, and this worker was given one "
            f"(CUDA_VISIBLE_DEVICES={os.environ.get('CUDA_VISIBLE_DEVICES')}); look at the driver, and at "
            "which build of torch is installed, or use launcher.device=cpu"
        )


def quieten_libraries() -> None:
    """Keep Lightning's advice to itself: there are no loaders, and its loop is told everything."""
    import logging

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")


@contextmanager
def redirected_output(path: Path) -> Iterator[None]:
    """Send everything that this process prints to a file, the last words of a crash included."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [(stream, os.dup(stream)) for stream in (1, 2)]
    with naming(path), open(path, "ab", buffering=0) as log:
        for stream, _ in saved:
            os.dup2(log.fileno(), stream)
        faulthandler.enable(log)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            faulthandler.disable()
            for stream, original in saved:
                os.dup2(original, stream)
                os.close(original)


class _News:
    """Lines of JSON on the pool's pipe; progress is summed up and sent twice a second."""

    def __init__(self) -> None:
        self._pipe = os.fdopen(os.dup(1), "w", buffering=1)
        self._updates = self._running = 0
        self._ended: list[str] = []
        self._sent = time.monotonic()

    def send(self, **content: Any) -> None:
        try:
            self._pipe.write(json.dumps(content) + "\n")
        except BrokenPipeError:
            return  # the pool is gone; the closed input stops this worker

    def add_progress(self, progress: Progress) -> None:
        self._updates += progress.num_made
        self._ended += progress.ended
        if progress.num_running == self._running and time.monotonic() - self._sent < 0.5:
            return
        self.send(
            running=progress.num_running,
            updates_of_running=progress.num_updates_of_running,
            updates=self._updates,
            ended=self._ended,
        )
        self._updates, self._ended = 0, []
        self._running, self._sent = progress.num_running, time.monotonic()


def _wait_for_end_of_input(stop: threading.Event) -> None:
    while os.read(0, 1024):
        pass
    stop.set()


def _wait_for_signal(stop: threading.Event) -> None:
    signal.sigwait(_STOP_SIGNALS)
    stop.set()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
