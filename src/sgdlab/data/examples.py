"""A half of a data set as evaluation reads it: standardised, never augmented, a part at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


class Examples(Protocol):
    """N examples, wherever they are kept."""

    @property
    def labels(self) -> Tensor:
        """Labels ``(N,)`` int64, of windows of T words ``(N, T)``; on the device."""
        ...

    def at(self, indices: Tensor) -> Tensor:
        """Return inputs ``(b, *sample_shape)`` of examples ``(b,)``, on the device."""
        ...

    def blocks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Go through all examples in their order: inputs ``(b, *sample_shape)`` and labels ``(b,)``.

        A block is what memory is sure to hold; whoever reads it may take it in smaller pieces.
        """
        ...


@dataclass(frozen=True)
class ResidentExamples:
    """Examples that all lie on the device: one block."""

    inputs: Tensor  # (N, *sample_shape)
    labels: Tensor  # (N,), of windows of words (N, T)

    def at(self, indices: Tensor) -> Tensor:
        """Return inputs; see `Examples.at`."""
        return self.inputs[indices]

    def blocks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Return everything at once; see `Examples.blocks`."""
        yield self.inputs, self.labels
