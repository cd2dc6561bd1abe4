"""What the dashboard must be told: which sweeps there are, and where their runs lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sgdlab.runs.store import Store
from sgdlab.sweeps.remembered import SweepKeys
from sgdlab.sweeps.spec import Sweep


class Catalogue(Protocol):
    """Sweeps at one scale. May be asked by several threads; raises UserError where a file is wrong."""

    @property
    def names(self) -> Sequence[str]:
        """The sweeps, in the order in which they are listed."""

    @property
    def scale(self) -> str:
        """The scale of all of them."""

    @property
    def store(self) -> Store:
        """Where the runs are."""

    def title_of(self, name: str) -> str:
        """Return what a sweep is about; nothing where its file doesn't say."""

    def known(self, name: str) -> SweepKeys:
        """Return which runs a sweep asks for."""

    def sweep(self, name: str) -> Sweep:
        """Return the sweep, with what extensions have added to its grids."""
