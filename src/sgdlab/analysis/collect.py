"""From the store to observations: every run that a sweep wants, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from sgdlab.analysis.observations import Observation
from sgdlab.runs.index import Index
from sgdlab.runs.store import Store
from sgdlab.sweeps.expand import WantedRun
from sgdlab.sweeps.spec import Sweep


def observe(sweep: Sweep, wanted: Sequence[WantedRun], store: Store) -> list[Observation]:
    """Look up the runs of a sweep; curves are read where its drawing needs them.

    A damaged run counts as failed. Raises `DamagedRunError` where curves are needed and damaged.
    """
    return list(_observations(sweep, wanted, store))


def _observations(sweep: Sweep, wanted: Sequence[WantedRun], store: Store) -> Iterator[Observation]:
    keys = list(dict.fromkeys(row.key for row in wanted))
    with Index(store) as index:
        indexed = index.lookup(keys)
    on_disk = store.state_on_disk(key for key in keys if key not in indexed)
    drawn = {curve.grid for curve in sweep.drawing.curves} if sweep.drawing.kind == "trajectories" else set()
    for row in wanted:
        run = indexed.get(row.key)
        state: Literal["done", "diverged", "failed", "missing"]
        if run is None:
            state = "failed" if on_disk[row.key] == "failed" else "missing"
        else:
            state = "failed" if run.state == "damaged" else run.state
        reads_curves = state in ("done", "diverged") and row.grid in drawn
        yield Observation(
            panel=row.panel,
            grid=row.grid,
            point=row.point,
            seed=row.seed,
            key=row.key,
            state=state,
            metrics=run.summary if run else {},
            curves=store.read_curves(row.key) if reads_curves else {},
            differences_kinks=row.run.differences_kinks,
        )
