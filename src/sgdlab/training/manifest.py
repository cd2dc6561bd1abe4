"""What the bits of a pack depend on besides its runs: fixed before the first update, honoured on resuming."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

import torch

from sgdlab import __version__


@dataclass(frozen=True)
class Manifest:
    """Equal manifests, equal bits."""

    width: int  # slots of the pack, masked ones included
    backend: str  # how the updates are computed
    precision: str  # of parameters and products
    device: str  # "cpu", or the GPU's name
    kernels: str  # the CPU's instructions that torch uses, and MKL's branch
    num_threads: int
    num_devices: int  # that shared each minibatch
    examples_per_pass: int | None  # of a device's share, at a time; None: all
    torch_version: str
    sgdlab_version: str
    network_sha256: str | None = None  # of the file of a custom network

    @classmethod
    def here(
        cls,
        width: int,
        backend: str,
        precision: str,
        device: torch.device,
        num_devices: int = 1,
        examples_per_pass: int | None = None,
        network_sha256: str | None = None,
    ) -> Manifest:
        """Return the manifest of a pack started in this process now."""
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
        kernels = f"{torch.backends.cpu.get_cpu_capability()}, MKL {os.environ.get('MKL_CBWR', 'any')}"
        return cls(
            width,
            backend,
            precision,
            name,
            kernels,
            torch.get_num_threads(),
            num_devices,
            examples_per_pass,
            torch.__version__,
            __version__,
            network_sha256,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; of a network that comes with sgdlab there is no checksum."""
        return {name: value for name, value in asdict(self).items() if value is not None}
