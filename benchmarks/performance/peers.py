"""What every peer is to the benchmark: K runs from given parameters, advanced over given minibatches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from performance.packed import backend_of, initial, pipeline_of, trained
from performance.work import Work

NUM_CHECKED_UPDATES = 6


class Peer(Protocol):
    """A way to train K runs of some work."""

    def advance(self, indices: Tensor) -> None:
        """Make U updates of each run on training examples ``(U, K, B)``."""
        ...

    def parameters(self) -> dict[str, Tensor]:
        """Return the runs' parameters, ``(K, …)``, named and laid out as sgdlab's."""
        ...


class NewPeer(Protocol):
    """Makes a peer for runs with these parameters."""

    def __call__(self, work: Work, parameters: Mapping[str, Tensor], inputs: Tensor, labels: Tensor) -> Peer:
        """Take stacked parameters of sgdlab's, and the training set ``(N, *sample_shape)``, ``(N,)``."""
        ...


class NotTheSameError(AssertionError):
    """A peer computes something else: a ratio to it would mean nothing."""


def check_same(new_peer: NewPeer, work: Work, tolerance: float = 1e-3) -> None:
    """Train three runs a few updates on both sides, and compare.

    sgdlab uses the backend that it chooses for the whole pack. The training set is one batch, so that
    minibatches are the same whatever their order. The largest difference of a parameter may be `tolerance` of
    the largest movement: by default a few roundings of float32; a wrong gradient differs by about 1.

    Raises
    ------
    NotTheSameError
        If they end elsewhere.
    """
    tiny = work.tiny()
    start, end = initial(tiny), trained(tiny, NUM_CHECKED_UPDATES, backend_of(work))
    pipeline = pipeline_of(tiny)
    peer = new_peer(tiny, start, pipeline.train.inputs, pipeline.train.labels)
    peer.advance(tiny.minibatches(NUM_CHECKED_UPDATES))
    peer_end = peer.parameters()
    moved = max(float((end[name] - start[name]).abs().max()) for name in end)
    error = max(float((end[name] - peer_end[name]).abs().max()) for name in end)
    if not error <= tolerance * moved:
        raise NotTheSameError(
            f"{work.title}: after {NUM_CHECKED_UPDATES} updates a parameter of {new_peer} differs "
            f"by {error:.2g}; the largest movement is {moved:.2g}"
        )
