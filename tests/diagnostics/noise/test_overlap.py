"""Changes of two losses by one update, against every minibatch there is and the loss itself."""

from itertools import combinations

import numpy as np
import pytest
import torch

from sgdlab.diagnostics.noise.overlap import loss_changes
from sgdlab.errors import UserError

NUM_TRAIN = 8  # of the problem's 23 examples; the others are the test set
TRAIN, TEST = slice(0, NUM_TRAIN), slice(NUM_TRAIN, 23)


def measured(small, rate, batch_size, **options):
    risk = small.risk()
    train, test = risk.on(torch.arange(NUM_TRAIN)), risk.on(torch.arange(NUM_TRAIN, 23))
    every = [small.example_gradients()[list(batch)].mean(dim=0) for batch in batches(batch_size)]
    second = torch.stack([step.square().sum() for step in every]).mean().view(1)
    rates = torch.tensor([rate], dtype=torch.float64)
    return loss_changes(train, test, train.gradient(), second, rates, batch_size, **options)


def batches(batch_size):
    return combinations(range(NUM_TRAIN), batch_size)


def of_every_batch(small, rate, batch_size):
    """The mean changes of the batch's own loss and of the test loss."""
    gradients, own, test = small.example_gradients(), [], []
    for batch in map(list, batches(batch_size)):
        there = small.point - rate * gradients[batch].mean(dim=0)
        own.append(small.loss_at(there, batch) - small.loss_at(small.point, batch))
        test.append(small.loss_at(there, TEST) - small.loss_at(small.point, TEST))
    return torch.stack(own).mean().item(), torch.stack(test).mean().item()


def test_the_means_are_those_over_all_minibatches(small):
    own, test = of_every_batch(small, 0.3, 3)
    found = measured(small, 0.3, 3, num_batches=100)
    assert abs(found.own.value.item() - own) < 3 * found.own.standard_error.item()
    assert abs(found.test.value.item() - test) < 3 * found.test.standard_error.item()
    # what is beyond the first order is all that is averaged
    assert found.own.standard_error.item() < 0.2 * abs(own)


def test_a_full_batch_is_exact(small):
    own, test = of_every_batch(small, 0.3, NUM_TRAIN)
    found = measured(small, 0.3, NUM_TRAIN)
    assert found.own.value.item() == pytest.approx(own, rel=1e-12)
    assert found.test.value.item() == pytest.approx(test, rel=1e-12)
    assert found.own.standard_error.item() == found.test.standard_error.item() == 0


def test_the_first_orders_leave_out_the_second(small):
    rates = 2.0 ** -np.arange(4, 10)
    errors = []
    for rate in rates:
        own, test = of_every_batch(small, rate, 3)
        found = measured(small, rate, 3, num_batches=2)
        errors.append((abs(found.own_expected.item() - own), abs(found.test_expected.item() - test)))
    for error in np.array(errors).T:
        assert abs(np.polyfit(np.log(rates), np.log(error), 1)[0] - 2) < 0.1


def test_bad_numbers_are_refused(small):
    risk, one = small.risk(), torch.ones(1, dtype=torch.float64)
    with pytest.raises(UserError, match="batch_size=24 must be between 1 and the 23 examples"):
        loss_changes(risk, risk, risk.gradient(), one, one, 24)
    with pytest.raises(UserError, match="num_batches=1"):
        loss_changes(risk, risk, risk.gradient(), one, one, 2, num_batches=1)
