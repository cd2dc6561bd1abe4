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
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, NoReturn, Self

from sgdlab.errors import UserError

if TYPE_CHECKING:  # followers start while their worker still imports torch
    from sgdlab.training.ranks import Ranks

_GRACE_S = 10.0  # for a worker to see for itself that a follower is gone, or to fail of the same cause


@dataclass(frozen=True)
class _Follower:
    process: subprocess.Popen[str]
    errors: IO[bytes]


@dataclass
class Followers:
    """The followers of a worker, kept from pack to pack."""

    device: str  # the worker's; a follower's GPU is the next one
    num_devices: int
    data_folder: Path
    _started: list[_Follower] = field(default_factory=list)
    _are_ready: bool = False

    def __enter__(self) -> Self:
        """Start them; `meeting` waits until they are ready."""
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dismiss()

    @contextmanager
    def meeting(self, log: Path) -> Iterator[Ranks]:
        """Meet the followers to train a pack; after an error new ones are started for the next pack.

        This process dies where one of them does. What they have to say of the pack they write to the end of
        `log`.

        Raises
        ------
        UserError
            If a follower can't start.
        """
        from sgdlab.training.ranks import ALONE, GroupBrokenError, joined, meeting_place

        if self.num_devices == 1:
            yield ALONE
            return
        try:
            self._start()
            self._await()
            place = meeting_place(self.num_devices)
            for follower in self._started:
                _tell(follower, {"port": place.port, "log": str(log)})
            with joined(0, self.num_devices, place, self.device) as ranks:
                yield ranks
        except GroupBrokenError:
            traceback.print_exc()
            _die()
        except BaseException:
            self._dismiss()
            raise

    def _start(self) -> None:
        if not self._started:
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # not whatever the host's name stands for
            self._started = [self._start_one(rank) for rank in range(1, self.num_devices)]
            self._are_ready = False

    def _start_one(self, rank: int) -> _Follower:
        kind, _, index = self.device.partition(":")
        device = f"{kind}:{int(index) + rank}" if index else kind
        command = [sys.executable, "-m", "sgdlab.launch.follower_process"]
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the follower
        process = subprocess.Popen(
            [*command, str(rank), str(self.num_devices), device, str(self.data_folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        return _Follower(process, errors)

    def _await(self) -> None:
        """Wait until all followers have everything imported."""
        for follower in self._started if not self._are_ready else ():
            assert follower.process.stdout is not None
            if follower.process.stdout.readline():
                threading.Thread(target=self._outlive, args=(follower,), daemon=True).start()
            elif follower.process.wait() < 0:
                _die()
            else:
                raise UserError(f"a process for another device of a run can't start: {_last_word(follower)}")
        self._are_ready = True

    def _outlive(self, follower: _Follower) -> None:
        """Die some time after a follower that was still needed.

        The worker mostly knows before: its next exchange fails. But one by NCCL may wait for ever, and so
        does a meeting.
        """
        follower.process.wait()
        if follower in self._started:
            time.sleep(_GRACE_S)
        if follower in self._started:
            print("a process for another device of this run is gone", file=sys.stderr)
            _die()

    def _dismiss(self) -> None:
        followers, self._started = self._started, []
        for follower in followers:
            follower.process.kill()
        for follower in followers:
            follower.process.communicate()
            follower.errors.close()


def _tell(follower: _Follower, word: dict[str, object]) -> None:
    assert follower.process.stdin is not None
    with suppress(BrokenPipeError):  # it is gone, and won't be met
        follower.process.stdin.write(json.dumps(word) + "\n")
        follower.process.stdin.flush()


def _last_word(follower: _Follower) -> str:
    follower.errors.seek(0)
    lines = follower.errors.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {follower.process.returncode}"


def _die() -> NoReturn:
    """End this process as a kill would: no last word, so the attempt counts as a death."""
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("dead")
