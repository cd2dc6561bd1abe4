"""Handing stored runs to the tracker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sgdlab.config.execution import WandbTracker
from sgdlab.runs.store import Store
from sgdlab.tracking.contexts import SweepContext
from sgdlab.tracking.run_export import export_run
from sgdlab.tracking.staging import exported_keys


def export_stored(key: str, store: Store, context: SweepContext, tracker: WandbTracker) -> None:
    """Export a published run, once; raises UserError if W&B refuses, or its files are damaged."""
    curves = {
        name: values for name, values in store.read_curves(key).items() if not name.startswith("correct_")
    }
    export_run(store.read_result(key), curves, context, tracker)


def export_rest(
    keys: Iterable[str], store: Store, contexts: Mapping[str, SweepContext], tracker: WandbTracker
) -> None:
    """Export those of the published runs that have not been exported yet; raises as `export_stored` does."""
    for key in unexported(keys, tracker):
        export_stored(key, store, contexts[key], tracker)


def unexported(keys: Iterable[str], tracker: WandbTracker) -> list[str]:
    """Return those of the keys that have not been exported yet."""
    exported = exported_keys(tracker)
    return [key for key in keys if key not in exported]
