"""A W&B run is written exactly once: in a staging folder beside W&B's own, and renamed into place when whole.

    <folder>/.wandb-staging/<id>[.lock]                       being written; safe to delete
    <folder>/wandb/offline-run-<time>-<id>/run-<id>.wandb     complete; `sgdlab sync` uploads it

A process killed half way leaves nothing that counts, and the next attempt clears it up.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sgdlab.config.execution import WandbTracker
from sgdlab.errors import UserError

Write = Callable[[Path], None]
"""Makes W&B write a run below a folder; raises UserError if it refuses."""

_NUM_ATTEMPTS = 3


def publish_once(run_id: str, tracker: WandbTracker, write: Write) -> Path | None:
    """Have a run written unless it has been; return its folder, None if it was there before.

    Raises
    ------
    UserError
        If W&B refuses, or leaves no log.
    """
    with _exclusive(run_id, tracker):
        if folders_of(run_id, tracker):
            return None
        return _publish(run_id, tracker, write)


def publish_state(run_id: str, state: str, tracker: WandbTracker, write: Write) -> Path | None:
    """Have a run written unless it shows that state; one of an earlier state gives way to it.

    A process killed in between may leave neither: what calls this again writes it. Raises as `publish_once`.
    """
    if _shows(state, run_id, tracker):  # without a lock: whoever may only read can tell that, too
        return None
    with _exclusive(run_id, tracker):
        if _shows(state, run_id, tracker):
            return None
        earlier = folders_of(run_id, tracker)

        def write_with_mark(workplace: Path) -> None:
            write(workplace)
            for folder in _written_below(workplace, run_id):
                (folder / _mark_of(state)).touch()

        return _publish(run_id, tracker, write_with_mark, in_place_of=earlier)


def exported_keys(tracker: WandbTracker) -> set[str]:
    """Return the keys of all runs that have been exported; one listing, however many there are."""
    return {path.name.rpartition("-")[2] for path in (tracker.folder / "wandb").glob("*run-*-*")}


def folders_of(run_id: str, tracker: WandbTracker) -> list[Path]:
    """Return the folders of a run that has been written; there is one at most, unless somebody copied it."""
    return list((tracker.folder / "wandb").glob(f"*run-*-{run_id}"))


def staging_folder(tracker: WandbTracker) -> Path:
    """Return where runs are written, made if it wasn't there."""
    folder = tracker.folder / ".wandb-staging"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _exclusive(run_id: str, tracker: WandbTracker) -> Iterator[None]:
    """Hold a lock that dies with its process; its file goes once the run is complete."""
    path = staging_folder(tracker) / f"{run_id}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
        path.unlink(missing_ok=True)  # whoever waits on it finds the run written


def _publish(run_id: str, tracker: WandbTracker, write: Write, in_place_of: list[Path] | None = None) -> Path:
    destination = tracker.folder / "wandb"
    destination.mkdir(exist_ok=True)
    workplace = staging_folder(tracker) / run_id
    written = _write_whole(run_id, tracker, write, workplace)
    _make_durable(written)
    for folder in in_place_of or ():
        shutil.rmtree(folder)
    target = destination / written.name
    written.rename(target)
    shutil.rmtree(workplace, ignore_errors=True)
    return target


def _write_whole(run_id: str, tracker: WandbTracker, write: Write, workplace: Path) -> Path:
    """Have W&B write the run, and return its folder once the log of it is there.

    W&B writes in a process of its own. On a busy machine that was seen to leave a folder without its log, and
    W&B says nothing of it; so another process tries again.
    """
    import wandb

    for _ in range(_NUM_ATTEMPTS):
        shutil.rmtree(workplace, ignore_errors=True)  # what a killed process, or the last attempt, has left
        workplace.mkdir()
        write(workplace)
        for folder in _written_below(workplace, run_id):
            return folder
        wandb.teardown()
    raise UserError(
        f"run {run_id} could not be given to Weights & Biases ({tracker.mode}): it wrote no log of it, "
        f"{_NUM_ATTEMPTS} times; `sgdlab run` tries again"
    )


def _written_below(workplace: Path, run_id: str) -> Iterator[Path]:
    """Yield the folder that W&B has made, if there is something in its log."""
    for log in (workplace / "wandb").glob(f"*run-*-{run_id}/*.wandb"):
        if log.stat().st_size:
            yield log.parent


def _shows(state: str, run_id: str, tracker: WandbTracker) -> bool:
    return any((folder / _mark_of(state)).exists() for folder in folders_of(run_id, tracker))


def _mark_of(state: str) -> str:
    return f"state-{state}"


def _make_durable(run_folder: Path) -> None:
    """Drop W&B's own logs, and have the run on disk before it gets the name that counts."""
    for scratch in ("logs", "tmp"):
        shutil.rmtree(run_folder / scratch, ignore_errors=True)
    for transaction_log in run_folder.glob("*.wandb"):
        with transaction_log.open("rb") as file:
            os.fsync(file.fileno())
