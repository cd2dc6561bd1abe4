"""Random streams of a run, each derived by hashing (seed, purpose, index): no state to store, none shared.

A stream is drawn on the CPU whatever the device, so that a run starts alike and sees the same batches
everywhere. Runs with one seed share initial parameters, order and augmentation across the whole grid:
comparisons between them are paired.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import torch

Purpose = Literal["init", "order", "augmentation", "dropout", "partition"]


def stream(seed: int, purpose: Purpose, index: int = 0) -> torch.Generator:
    """Return the generator of block `index` of one of a run's streams."""
    digest = hashlib.sha256(f"sgdlab/{seed}/{purpose}/{index}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))
