"""Removing what attempts leave behind, once it is needed for nothing more.

A killed attempt may leave its folder, and strays in the run folders it held: half-published curves, temporary
names, claims. Its folder lists those runs, so whoever finishes them can clear up everything.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from contextlib import suppress

from sgdlab.runs.attempt_folder import Holder
from sgdlab.runs.files import naming, remove_folder
from sgdlab.runs.layout import Layout
from sgdlab.runs.observer import Observer
from sgdlab.runs.result import RunResult


def remove_if_spent(layout: Layout, attempt: str) -> None:
    """Remove the folder of an attempt that has ended or is known to be dead, unless it is still of use.

    It is of use while a run it held has no result and there is a checkpoint to go on from, a log that tells
    why the run failed, or a death without a word to be counted.
    """
    folder = layout.attempt(attempt)
    died = not folder.ended_path.exists()
    keys = folder.read_claimed()
    unpublished = [key for key in keys if not layout.has_result(key)]
    if unpublished and (died or folder.checkpoint_path.exists() or any(map(layout.has_failed, unpublished))):
        return
    if died:
        for key in keys:
            _remove_strays(layout, key)
    with naming(layout.root):
        remove_folder(folder.path, layout.trash)


def remove_spent_attempts(layout: Layout, observer: Observer) -> None:
    """Remove every attempt folder that is of no more use, and what killed clearings have left.

    Costs a look at each attempt folder there is: at most one for each living worker and interrupted pack.
    """
    with naming(layout.root):
        for path in sorted(layout.attempts.glob("*")):
            if not observer.is_alive(path.name, Holder.read(layout.attempt(path.name).holder_path)):
                remove_if_spent(layout, path.name)
        for grave in layout.trash.glob("*"):
            shutil.rmtree(grave, ignore_errors=True)


def remove_all_but(layout: Layout, key: str, kept: Collection[str | None]) -> None:
    """Remove from a published run's folder all but its result and the files named in `kept`."""
    for path in layout.run_folder(key).iterdir():
        if path.name != "result.json" and path.name not in kept:
            path.unlink(missing_ok=True)


def _remove_strays(layout: Layout, key: str) -> None:
    with suppress(OSError, ValueError):  # a damaged result names nothing: leave everything for a person
        result = RunResult.from_json(layout.result_path(key).read_bytes())
        remove_all_but(layout, key, {result.curves_file, result.weights_file})
