"""SGD's mean iterate over shuffles, after some epochs, against the flows on C and on E C_SGD (eq. 14–22).

What is left unexplained is the distance of the mean iterate from the flow on E C_SGD, as a share of its
distance from the flow on C: 0 where the modified loss explains the whole effect of a finite learning rate,
1 where it explains nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sgdlab.theory.expected_modified_loss import expected_modified_descent
from sgdlab.theory.flows import Field, follow, modified_descent
from sgdlab.theory.group_statistics import distance
from sgdlab.theory.order_population import Shuffles, composition_noise, follow_groups
from sgdlab.theory.problems import Problem

RELATIVE_TOLERANCE = 1e-8  # of the flows; `tolerance_effect` is what that amounts to


@dataclass(frozen=True)
class MeanIterate:
    """SGD at one learning rate after some epochs, and where the flows are by then."""

    lr: float
    num_epochs: int
    displacement: float  # of the mean iterate from the start
    single: Tensor  # (G, P) groups' means of the iterates that took the batches forward
    pairs: Tensor  # (G, P) of those and of the reversed ones
    corrected: Tensor  # (G, P) the pairs', less the noise of the batches' composition
    modified_flow: Tensor  # (P,) on E C_SGD
    plain_flow: Tensor  # (P,) on C

    def error(self, groups: Tensor) -> float:
        """Return how far the mean iterate is from the flow on E C_SGD, by the groups of these indices."""
        return distance(self.corrected[groups], self.modified_flow)

    def plain_error(self, groups: Tensor) -> float:
        """Return how far it is from the flow on C."""
        return distance(self.corrected[groups], self.plain_flow)

    def unexplained(self, groups: Tensor) -> float:
        """Return the first as a share of the second."""
        return self.error(groups) / self.plain_error(groups)


def mean_iterates(
    problem: Problem, shuffles: Shuffles, lrs: Sequence[float], after: Sequence[int]
) -> list[dict[int, MeanIterate]]:
    """Measure at each learning rate, after each of these numbers of epochs, ascending."""
    noise = composition_noise(problem, shuffles)
    return [_at(problem, shuffles, noise, lr, after) for lr in lrs]


def tolerance_effect(problem: Problem, batch_size: int, one: MeanIterate) -> float:
    """Return how far halving the tolerance moves the end of the flow on E C_SGD."""
    time = one.num_epochs * problem.num_examples // batch_size * one.lr
    field = expected_modified_descent(problem, batch_size, one.lr)
    finer = follow(field, problem.start, time, RELATIVE_TOLERANCE / 2)
    return torch.dist(finer, one.modified_flow).item()


def _at(
    problem: Problem, shuffles: Shuffles, noise: Tensor, lr: float, after: Sequence[int]
) -> dict[int, MeanIterate]:
    times = [num_epochs * problem.num_examples // shuffles.batch_size * lr for num_epochs in after]
    modified = expected_modified_descent(problem, shuffles.batch_size, lr)
    plain = modified_descent(problem, problem.batches(1), 0.0)
    flows = zip(
        after,
        _along(modified, problem.start, times),
        _along(plain, problem.start, times),
        strict=True,
    )
    means = follow_groups(problem, shuffles, lr)
    corrected = means.pairs - lr**2 * noise
    return {
        num_epochs: MeanIterate(
            lr=lr,
            num_epochs=num_epochs,
            displacement=torch.dist(corrected[num_epochs - 1].mean(dim=0), problem.start).item(),
            single=means.forward[num_epochs - 1],
            pairs=means.pairs[num_epochs - 1],
            corrected=corrected[num_epochs - 1],
            modified_flow=modified_end,
            plain_flow=plain_end,
        )
        for num_epochs, modified_end, plain_end in flows
    }


def _along(field: Field, start: Tensor, times: Sequence[float]) -> Iterator[Tensor]:
    """Yield where a flow is at each of these times, ascending."""
    point, passed = start, 0.0
    for time in times:
        point = follow(field, point, time - passed, RELATIVE_TOLERANCE)
        passed = time
        yield point
