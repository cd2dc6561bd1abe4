"""The other processes of a worker that trains on several devices: started by it, and gone with it.

The worker is rank 0. A follower is told of each pack by a line on its standard input, which is also its life
line: it ends when the input does, however the worker may have come to its end. A follower that is gone takes
the worker along, without a word: to the pool and to the store the group has died as one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import torch

from sgdlab.training.ranks import ALONE, GroupBrokenError, Ranks, joined, meeting_place

_GRACE_S = 10.0  # for a worker to see for itself that a follower is gone, or to fail of the same cause


@dataclass
class Followers:
    """The followers of a worker; started when they are needed, and kept from pack to pack."""

    device: torch.device  # the worker's; a follower's GPU is the next one
    num_devices: int
    data_folder: Path
    _processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dismiss()

    @contextmanager
    def meeting(self, log: Path) -> Iterator[Ranks]:
        """Meet the followers to train a pack; after an error new ones are started for the next pack.

        This process dies where one of them does. What they have to say they write to the end of `log`.
        """
        if self.num_devices == 1:
            yield ALONE
            return
        try:
            self._start()
            place = meeting_place(self.num_devices)
            for process in self._processes:
                _tell(process, {"port": place.port, "log": str(log)})
            with joined(0, self.num_devices, place, self.device) as ranks:
                yield ranks
        except GroupBrokenError:
            traceback.print_exc()
            _die()
        except BaseException:
            self._dismiss()
            raise

    def _start(self) -> None:
        if self._processes:
            return
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # not whatever the host's name stands for
        for rank in range(1, self.num_devices):
            index = (self.device.index or 0) + rank
            device = f"cuda:{index}" if self.device.type == "cuda" else "cpu"
            command = [sys.executable, "-m", "sgdlab.launch.follower_process"]
            process = subprocess.Popen(
                [*command, str(rank), str(self.num_devices), device, str(self.data_folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            self._processes.append(process)
        for process in self._processes:
            assert process.stdout is not None
            if not process.stdout.readline():
                raise GroupBrokenError("a process for another device of this run could not start")
            threading.Thread(target=self._outlive, args=(process,), daemon=True).start()

    def _outlive(self, process: subprocess.Popen[str]) -> None:
        """Die some time after a follower that was still needed.

        The worker mostly knows before: its next exchange fails. But one by NCCL may wait for ever.
        """
        process.wait()
        if process in self._processes:
            time.sleep(_GRACE_S)
        if process in self._processes:
            _die()

    def _dismiss(self) -> None:
        processes, self._processes = self._processes, []
        for process in processes:
            process.kill()
        for process in processes:
            process.communicate()


def _tell(process: subprocess.Popen[str], word: dict[str, object]) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it is gone, and won't be met
        process.stdin.write(json.dumps(word) + "\n")
        process.stdin.flush()


def _die() -> NoReturn:
    """End this process as a kill would: no last word, so the attempt counts as a death."""
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("dead")
