"""Where everything starts: a tanh MLP that has begun to learn 256 digits, and the curvature there."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sgdlab.theory.order_population import Shuffles
from sgdlab.theory.problems import Problem, digits_mlp
from sgdlab.theory.updates import descend

NUM_EXAMPLES = 256
HIDDEN_WIDTHS = (16,)
NUM_WARM_UP_UPDATES, WARM_UP_LR = 100, 0.1  # of gradient descent


@dataclass(frozen=True)
class Setting:
    """A network, its data, and the point from which all runs start."""

    problem: Problem
    cost: float  # at the start
    top_eigenvalue: float  # λ_max of the Hessian of C at the start

    def num_batches(self, shuffles: Shuffles) -> int:
        """Return m."""
        return self.problem.num_examples // shuffles.batch_size

    def lr(self, epoch_time: float, shuffles: Shuffles) -> float:
        """Return ε from mελ_max, the time of an epoch in units of 1/λ_max."""
        return epoch_time / (self.top_eigenvalue * self.num_batches(shuffles))


def begin() -> Setting:
    """Train the network a little. λ_max is that of the whole Hessian, written out."""
    fresh = digits_mlp(NUM_EXAMPLES, HIDDEN_WIDTHS)
    everything = fresh.batches(1)
    again_and_again = torch.zeros(1, NUM_WARM_UP_UPDATES, dtype=torch.int64)
    start = descend(fresh, everything, again_and_again, WARM_UP_LR)[0]

    def cost(point: Tensor) -> Tensor:
        return fresh.costs(point[None], everything).mean()

    hessian = torch.func.hessian(cost)(start)
    top_eigenvalue = torch.linalg.eigvalsh(hessian)[-1].item()
    return Setting(replace(fresh, start=start), cost(start).item(), top_eigenvalue)
