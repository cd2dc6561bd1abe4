"""What one update on a minibatch does to the loss of that minibatch, and to a loss that knows nothing of it.

To first order the loss of a set A falls by η·g_A·g_B in an update on B; in the mean that is
η·(‖G‖² + |A∩B|/(|A||B|)·tr Σ) (roberts2018, eq. 6 and 7). Here B is a random minibatch of b training
examples:

    A = B               E C_B(ω − η g_B) − C_B(ω)         = −η·tr S_b + O(η²)
    A the test set      E C_test(ω − η g_B) − C_test(ω)   = −η·∇C·∇C_test + O(η²)

The first orders are known without sampling; only what is left over is averaged over minibatches, with a
standard error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sgdlab.diagnostics.estimate import Estimate, refuse_few
from sgdlab.diagnostics.risk import EmpiricalRisk
from sgdlab.diagnostics.vectors import dot, shape_like
from sgdlab.errors import UserError


@dataclass(frozen=True)
class LossChanges:
    """Mean changes of two losses by one update."""

    own: Estimate  # (R,), of the minibatch that it is made on
    own_expected: Tensor  # (R,), to first order
    test: Estimate  # (R,), of the test set
    test_expected: Tensor  # (R,), to first order


def loss_changes(
    train: EmpiricalRisk,
    test: EmpiricalRisk,
    gradient: Tensor,
    second_moment: Tensor,
    learning_rates: Tensor,
    batch_size: int,
    *,
    num_batches: int = 16,
    seed: int = 0,
) -> LossChanges:
    """Measure both over random minibatches without replacement.

    Parameters
    ----------
    train, test
        At the point that the update leaves.
    gradient
        ∇C of all training examples, ``(R, P)``.
    second_moment
        tr S_b = E‖g_B‖² of minibatches without replacement, ``(R,)``.
    learning_rates
        η of each run, ``(R,)``.
    batch_size
        b. Where it is n there is only one minibatch, and both are exact.
    num_batches
        Each costs a minibatch's gradient and two passes over it, and a pass over the test set; at least 2.
    seed
        Of the minibatches, which are the same for each run.

    Raises
    ------
    UserError
        If a number is out of range.
    """
    num_examples, rates = train.num_examples, learning_rates.double()
    if not 1 <= batch_size <= num_examples:
        raise UserError(f"batch_size={batch_size} must be between 1 and the {num_examples} examples")
    refuse_few("num_batches", num_batches, 2)
    towards_test, before = test.gradient(), test.value()
    own_expected, test_expected = -rates * second_moment, -rates * dot(gradient, towards_test)

    def beyond_first_order(batch: EmpiricalRisk, step: Tensor) -> tuple[Tensor, Tensor]:
        rows = train.point() - learning_rates.to(step).unsqueeze(1) * step
        moved = shape_like(rows, train.parameters)
        own = batch.at(moved).value() - batch.value() + rates * dot(step, step)
        return own, test.at(moved).value() - before + rates * dot(step, towards_test)

    if batch_size == num_examples:
        own, of_test = beyond_first_order(train, gradient)
        none = torch.zeros_like(own)
        return LossChanges(
            Estimate(own_expected + own, none),
            own_expected,
            Estimate(test_expected + of_test, none),
            test_expected,
        )
    generator = torch.Generator().manual_seed(seed)
    beyond = []
    for _ in range(num_batches):
        chosen = torch.randperm(num_examples, generator=generator)[:batch_size].to(train.examples.device)
        batch = train.on(train.examples[chosen])
        beyond.append(torch.stack(beyond_first_order(batch, batch.gradient())))
    each = torch.stack(beyond)  # (num_batches, 2, R)
    mean, error = each.mean(dim=0), each.std(dim=0) / math.sqrt(num_batches)
    return LossChanges(
        Estimate(own_expected + mean[0], error[0]),
        own_expected,
        Estimate(test_expected + mean[1], error[1]),
        test_expected,
    )
