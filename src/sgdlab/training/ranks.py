"""The processes that train one pack together, one to a device: rank 0 decides, and all of them compute.

A sum over ranks is made by hand, element by element in the order of the ranks, wherever an element lies: each
rank adds up its own part of the numbers and hands it to the others. A library's all-reduce adds in an order
that depends on an element's place, so on a run's slot and companions, and on the algorithm that it picks. So
the bits are the same on every rank, and the same again for as many ranks. The traffic is that of a ring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import TCPStore  # type: ignore[attr-defined]

_ADDRESS = "127.0.0.1"
_TIMEOUT = timedelta(minutes=30)  # between two meetings; those who die are missed at once

T = TypeVar("T")


class GroupBrokenError(Exception):
    """Another rank is gone."""


@dataclass(frozen=True)
class Ranks:
    """The ranks as one of them sees them."""

    rank: int = 0
    size: int = 1
    words: dist.ProcessGroup | None = None  # carries what isn't a tensor

    def agree(self, decide: Callable[[], T]) -> T:
        """Return what rank 0 decides, which alone is asked."""
        if self.size == 1:
            return decide()
        decided: list[Any] = [decide() if self.rank == 0 else None]
        word = decided[0]
        with breaking():
            dist.broadcast_object_list(decided, src=0, group=self.words)
        return word if self.rank == 0 else decided[0]  # type: ignore[no-any-return]

    def share(self, count: int, together: int = 1) -> slice:
        """Return the rank's own of `count` examples, of which so many stay together.

        Shares differ by one such group at most; what is left over goes to the last rank.
        """
        num_groups = max(1, count // together)
        start, stop = (rank * num_groups // self.size * together for rank in (self.rank, self.rank + 1))
        return slice(start, count if self.rank == self.size - 1 else stop)

    def sum(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Add up each tensor over the ranks, all of them in one exchange."""
        if self.size == 1:
            return list(tensors)
        sizes = [tensor.numel() for tensor in tensors]
        length = -(-sum(sizes) // self.size)  # of each rank's part
        flat = tensors[0].new_zeros(length * self.size)
        torch.cat([tensor.flatten() for tensor in tensors], out=flat[: sum(sizes)])
        mine = torch.empty_like(flat)  # my part, as each rank has it
        with breaking():
            dist.all_to_all_single(mine, flat)
            part = reduce(torch.add, mine.view(self.size, length).unbind())
            dist.all_gather(list(flat.view(self.size, length).unbind()), part)
        sums = torch.split(flat[: sum(sizes)], sizes)
        return [summed.view(tensor.shape) for summed, tensor in zip(sums, tensors, strict=True)]


ALONE = Ranks()


def meeting_place(size: int, port: int | None = None) -> TCPStore:
    """Open a place to meet on this machine, at a free port; or go to the one that is open at `port`."""
    return TCPStore(_ADDRESS, port or 0, size, is_master=port is None, wait_for_workers=False)


@contextmanager
def joined(rank: int, size: int, place: TCPStore, device_name: str) -> Iterator[Ranks]:
    """Meet the other ranks at a `meeting_place`, and part from them at the block's end.

    Raises
    ------
    GroupBrokenError
        If one of them is gone before all have met.
    """
    device = torch.device(device_name)
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.set_device(device)
    with breaking():
        dist.init_process_group(
            "nccl" if on_gpu else "gloo",
            store=place,
            rank=rank,
            world_size=size,
            timeout=_TIMEOUT,
            device_id=device if on_gpu else None,
        )
        words = dist.new_group(backend="gloo", timeout=_TIMEOUT) if on_gpu else None
    try:
        yield Ranks(rank, size, words)
    finally:
        dist.destroy_process_group()


@contextmanager
def breaking() -> Iterator[None]:
    """Tell what a lost rank raises, which is a plain error in gloo, from what the work itself does."""
    try:
        yield
    except RuntimeError as error:
        raise GroupBrokenError("another process of this run's devices is gone") from error
