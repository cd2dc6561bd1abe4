"""From the store, or an export of it, to observations: every run that a sweep wants, and its fate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, TypeVar

from sgdlab.analysis.export import Exported
from sgdlab.analysis.observations import Observation
from sgdlab.analysis.seed_rounds import spare
from sgdlab.runs.index import Index
from sgdlab.runs.store import Store
from sgdlab.sweeps.places import places
from sgdlab.sweeps.remembered import SweepKeys
from sgdlab.sweeps.spec import Sweep
from sgdlab.sweeps.survey import Census, restricted

C = TypeVar("C", bound=Census)


def observe(sweep: Sweep, known: SweepKeys, store: Store) -> list[Observation]:
    """Look up the runs of a sweep; curves are read where it draws them or makes claims about them.

    A damaged run counts as failed, and one that the protocol's rule for seeds doesn't ask for as spared.
    Raises `DamagedRunError` where curves are needed and damaged.
    """
    return spare(sweep, list(_observations(sweep, known, store)))


def only_asked_for(found: C, asked: Iterable[tuple[Sweep, SweepKeys]], store: Store) -> C:
    """Leave the runs out of a census or survey that no sweep's rule for seeds asks for by now.

    Raises as `observe` does.
    """
    keys: set[str] = set()
    num_asked = 0
    for sweep, known in asked:
        own = known.keys
        if sweep.protocol.seeds != "all":
            own = [run.key for run in observe(sweep, known, store) if run.state != "spared"]
        keys.update(own)
        num_asked += len(own)
    return restricted(found, keys, num_asked)


def observe_export(sweep: Sweep, known: SweepKeys, exported: Exported) -> list[Observation]:
    """Look up the runs of a sweep in an export; one that it doesn't hold is missing."""
    across_kinks = frozenset(known.across_kinks)
    observations = [
        Observation(
            panel=place.panel,
            grid=place.grid,
            point=place.point,
            seed=place.seed,
            key=key,
            state=exported.states.get(key, "missing"),
            metrics=exported.metrics.get(key, {}),
            curves=exported.curves.get(key, {}),
            differences_kinks=key in across_kinks,
        )
        for place, key in zip(places(sweep), known.keys, strict=True)
    ]
    return spare(sweep, observations)


def _observations(sweep: Sweep, known: SweepKeys, store: Store) -> Iterator[Observation]:
    keys, across_kinks = known.keys, frozenset(known.across_kinks)
    with Index(store) as index:
        indexed = index.lookup(keys)
    on_disk = store.state_on_disk(key for key in keys if key not in indexed)
    over_training = {
        (panel, reference.grid)
        for panel in sweep.panels
        for reference in sweep.references(panel)
        if reference.is_over_training
    }
    for place, key in zip(places(sweep), keys, strict=True):
        run = indexed.get(key)
        state: Literal["done", "diverged", "failed", "missing"]
        if run is None:
            state = "failed" if on_disk[key] == "failed" else "missing"
        else:
            state = "failed" if run.state == "damaged" else run.state
        reads_curves = state in ("done", "diverged") and (place.panel, place.grid) in over_training
        yield Observation(
            panel=place.panel,
            grid=place.grid,
            point=place.point,
            seed=place.seed,
            key=key,
            state=state,
            metrics=run.summary if run else {},
            curves=store.read_curves(key) if reads_curves else {},
            differences_kinks=key in across_kinks,
        )
