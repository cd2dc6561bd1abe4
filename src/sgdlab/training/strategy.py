"""Lightning on several devices: a process for each, of a group that has met already."""

from __future__ import annotations

from typing import Any

import torch.distributed as dist
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning.strategies import DDPStrategy

from sgdlab.training.ranks import Ranks, breaking
from sgdlab.training.saving import CheckpointInPlace


class _Met(LightningEnvironment):
    """A node whose processes run already, and have met."""

    def __init__(self, rank: int) -> None:
        super().__init__()
        self._rank = rank

    @property
    def creates_processes_externally(self) -> bool:
        return True

    def local_rank(self) -> int:
        return self._rank


class SharedMinibatches(DDPStrategy):
    """Data parallelism in which the gradients are summed by the objective itself.

    Lightning places each process on its device, keeps them in step, and has rank 0 alone write checkpoints.
    The module isn't wrapped in torch's `DistributedDataParallel`: that averages what a backward pass leaves
    in `.grad`, and an update with a penalty needs two sums before it has a gradient at all. So optimisation
    is manual here, and `training.splitting` makes the sums.
    """

    def __init__(self, ranks: Ranks) -> None:
        super().__init__(cluster_environment=_Met(ranks.rank), checkpoint_io=CheckpointInPlace())

    def configure_ddp(self) -> None:
        """Leave the module as it is."""

    def barrier(self, *_: Any, **__: Any) -> None:
        """Wait for the others.

        Raises
        ------
        GroupBrokenError
            If one of them is gone.
        """
        if dist.is_initialized():
            with breaking():
                super().barrier()
