"""Where the results behind a page come from."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from sgdlab.runs.result import DamagedRunError, NoResultError
from sgdlab.runs.store import Store


def provenance_of(keys: Iterable[str], store: Store) -> dict[str, str]:
    """Gather the provenance of all published, sound runs: name → the values that occur."""
    values: dict[str, set[str]] = {}
    num_runs, run_seconds = 0, 0.0
    for key in keys:
        with suppress(NoResultError, DamagedRunError):
            provenance = store.read_result(key).provenance
            num_runs += 1
            run_seconds += provenance.get("wall_s", 0.0) / max(1, provenance.get("pack_width", 1))
            for name in ("sgdlab_version", "commit", "torch_version", "device", "dtype", "host"):
                values.setdefault(name, set()).add(str(provenance.get(name, "unknown")))
    gathered = {name.replace("_", " "): ", ".join(sorted(found)) for name, found in values.items()}
    return {
        **gathered,
        "runs": str(num_runs),
        "training time": f"{run_seconds / 60:.1f} min, summed over workers",
    }
