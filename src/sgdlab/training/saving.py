"""Writing tensors to files in place: no second file elsewhere, and a full disk is an `OSError`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins import TorchCheckpointIO


def save(value: Any, path: Path) -> None:
    """Write what `torch.load` reads; `torch.save` itself reports a full disk as a bug of its own."""
    content = io.BytesIO()
    torch.save(value, content)
    path.write_bytes(content.getbuffer())


class CheckpointInPlace(TorchCheckpointIO):
    """Writes a checkpoint where it is told to; Lightning's own way is by the system's temporary folder."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ARG002
        """Write the checkpoint; there is nothing that `storage_options` could say about a local file."""
        save(checkpoint, Path(path))
