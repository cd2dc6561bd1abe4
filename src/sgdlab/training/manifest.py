"""What the bits of a pack depend on besides its runs: fixed before the first update, honoured on resuming."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch

from sgdlab import __version__


@dataclass(frozen=True)
class Manifest:
    """Equal manifests, equal bits."""

    width: int  # slots of the pack, masked ones included
    backend: str  # how the products of a pack are computed
    precision: str  # of parameters and products
    device: str  # "cpu", or the GPU's name
    num_threads: int
    torch_version: str
    sgdlab_version: str

    @classmethod
    def here(cls, width: int, precision: str, device: torch.device) -> Manifest:
        """Return the manifest of a pack started in this process now."""
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
        return cls(width, "eager", precision, name, torch.get_num_threads(), torch.__version__, __version__)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)
