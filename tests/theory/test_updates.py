"""SGD on quadratics against the same updates written out in numpy; orders against counting."""

import math

import numpy as np
import pytest
import torch

from sgdlab.theory.orders import every_order, forward_then_reverse, independent_draws, two_shuffled_epochs
from sgdlab.theory.updates import descend


@pytest.mark.parametrize("inner", [1, 3])
def test_each_order_ends_where_its_updates_lead(quadratics, inner):
    batches = quadratics.problem.batches(3)
    orders = torch.tensor([[0, 1, 2], [2, 2, 0]])
    found = descend(quadratics.problem, batches, orders, 0.05, inner)
    for end, order in zip(found, orders.tolist(), strict=True):
        point = quadratics.start
        for batch in np.repeat(order, inner):
            point = point - 0.05 * quadratics.gradient(batches[batch].tolist(), point)
        np.testing.assert_allclose(end, point, rtol=1e-12)


@pytest.mark.parametrize(
    ("orders", "number", "length"),
    [
        (every_order(4), math.factorial(4), 4),
        (forward_then_reverse(3), 6, 6),
        (two_shuffled_epochs(3), 36, 6),
        (independent_draws(3, 4), 81, 4),
    ],
)
def test_every_order_comes_once(orders, number, length):
    assert orders.shape == (number, length)
    assert len({tuple(order) for order in orders.tolist()}) == number


def test_epochs_hold_every_batch_once():
    for orders in (every_order(3), forward_then_reverse(3), two_shuffled_epochs(3)):
        epochs = orders.view(-1, 3)
        assert epochs.sort(dim=1).values.tolist() == [[0, 1, 2]] * len(epochs)
    assert all(order[:3] == order[3:][::-1] for order in forward_then_reverse(3).tolist())
