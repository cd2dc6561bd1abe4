"""Claiming a run.

Claim number n of a run is the file `claim.n` in its folder, made by a hard link, so that exactly one of
those who try gets it. The highest number holds. Nothing is deleted to take over an ended or expired claim:
the taker makes claim n+1, and again exactly one gets it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgdlab.runs.attempts import Attempt
from sgdlab.runs.files import link, naming, temporary
from sgdlab.runs.layout import Layout
from sgdlab.runs.observer import Observer, read_claims


@dataclass(frozen=True)
class Checkpoint:
    """What a new attempt can go on from."""

    attempt: str
    manifest: Mapping[str, Any]  # as given to `Attempt.write_manifest`
    path: Path


def claim(layout: Layout, key: str, attempt: Attempt, observer: Observer | None = None) -> bool:
    """Claim a run for an attempt; return whether it was won.

    A run that is published or failed, or that a living attempt holds, can't be claimed. Without an observer
    that has watched for a while, only attempts that said their last word and dead processes of this machine
    can be taken over.

    Raises
    ------
    StoreError
        If the store can't be written.
    """
    if layout.is_settled(key):
        return False
    observer = observer or Observer(layout, lease_timeout_s=math.inf)
    folder = layout.run_folder(key)
    with naming(layout.root):
        folder.mkdir(parents=True, exist_ok=True)
        earlier = read_claims(layout, key)
        if earlier and observer.holds(earlier[-1]):
            return False
        path = folder / f"claim.{earlier[-1].number + 1 if earlier else 1}"
        try:
            if not _create(path, attempt.holder.to_json()):
                return False
        except FileNotFoundError:
            return False  # the run was published, or a damaged one cleared away, just now
        if layout.is_settled(key):  # it got its outcome while we looked, and lost its claims
            path.unlink(missing_ok=True)
            return False
    attempt.record_claim(key, [claim.holder.attempt for claim in earlier if claim.holder])
    return True


def holds(layout: Layout, key: str, attempt: Attempt) -> bool:
    """Return whether the attempt's claim is still the newest: a hint that going on isn't in vain."""
    claims = read_claims(layout, key)
    return bool(claims) and claims[-1].holder == attempt.holder


def latest_checkpoint(layout: Layout, key: str) -> Checkpoint | None:
    """Return the checkpoint of the newest attempt that left one with this run in it."""
    for earlier in reversed(read_claims(layout, key)):
        if earlier.holder is None:
            continue
        folder = layout.attempt(earlier.holder.attempt)
        manifest = folder.read_manifest()
        if manifest is not None and key in folder.read_progress() and folder.checkpoint_path.exists():
            return Checkpoint(earlier.holder.attempt, manifest, folder.checkpoint_path)
    return None


def _create(path: Path, data: bytes) -> bool:
    with temporary(path) as name:
        name.write_bytes(data)
        return link(name, path)
