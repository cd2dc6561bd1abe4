"""Populations of orders against torch's own SGD, every order enumerated, and matrix exponentials."""

from itertools import combinations, permutations

import numpy as np
import pytest
import torch
from torch import nn

from sgdlab.theory.order_population import Shuffles, composition_noise, follow_groups, follow_orders
from sgdlab.theory.orders import every_order
from sgdlab.theory.problems import digits_mlp

LRS = 2.0 ** -np.arange(7, 12)


def slope(errors) -> float:
    return np.polyfit(np.log(LRS), np.log(errors), 1)[0]


def trained_by_torch(order, lr: float) -> list[torch.Tensor]:
    """The same network as nn.Sequential, trained by torch.optim.SGD; its parameters after each epoch."""
    problem = digits_mlp(12, (4,))
    network = nn.Sequential(nn.Linear(64, 4), nn.Tanh(), nn.Linear(4, 10)).double()
    shapes = [(64, 4), (4,), (4, 10), (10,)]
    with torch.no_grad():
        pieces = problem.start.split([np.prod(shape) for shape in shapes])
        for own, piece, shape in zip(network.parameters(), pieces, shapes, strict=True):
            own.copy_(piece.view(shape).T if len(shape) == 2 else piece)
    from sgdlab.data.digits import read_digits

    arrays = read_digits()
    inputs = torch.from_numpy(arrays.train_inputs[:12]).double().flatten(1) / 127.5 - 1
    labels = torch.from_numpy(arrays.train_labels[:12]).long()
    optimizer = torch.optim.SGD(network.parameters(), lr=lr)
    after = []
    for epoch in order:
        for examples in epoch:
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(inputs[examples]), labels[examples]).backward()
            optimizer.step()
        flat = [p.detach().T.flatten() if p.dim() == 2 else p.detach() for p in network.parameters()]
        after.append(torch.cat(flat))
    return after


def test_each_run_is_that_of_a_plain_loop():
    orders = Shuffles(batch_size=3, num_epochs=2, num_groups=1, group_size=3).draw(0, 12)
    found = follow_orders(digits_mlp(12, (4,)), orders, lr=0.2)
    assert found.shape == (2, 3, len(digits_mlp(12, (4,)).start))
    for run, order in enumerate(orders):
        for epoch, expected in enumerate(trained_by_torch(order, lr=0.2)):
            torch.testing.assert_close(found[epoch, run], expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_the_mean_over_every_shuffle_follows_the_expected_flow_to_third_order(quadratics, batch_size):
    """Eq. 22, by all 720 orders of 6 examples; the flows by the exponential of a matrix."""
    every = torch.tensor(list(permutations(range(6)))).view(720, 1, -1, batch_size)
    batches = [list(batch) for batch in combinations(range(6), batch_size)]
    modified, plain = [], []
    for lr in LRS:
        mean = follow_orders(quadratics.problem, every, lr)[0].mean(dim=0).numpy()
        time = 6 // batch_size * lr
        modified.append(np.linalg.norm(mean - quadratics.flow(batches, lr / 4, time)))
        plain.append(np.linalg.norm(mean - quadratics.flow(batches, 0.0, time)))
    assert abs(slope(modified) - 3) < 0.1
    assert abs(slope(plain) - 2) < 0.1


def test_a_pair_has_no_noise_of_second_order_where_the_batches_are_fixed(quadratics):
    orders = torch.arange(6).view(3, 2)[every_order(3)][:, None]
    singles, pairs = [], []
    for lr in LRS:
        there = follow_orders(quadratics.problem, orders, lr)[0]
        back = follow_orders(quadratics.problem, orders.flip(2), lr)[0]
        singles.append(there.std(dim=0).norm().item())
        pairs.append(((there + back) / 2).std(dim=0).norm().item())
    assert abs(slope(singles) - 2) < 0.1
    assert abs(slope(pairs) - 3) < 0.1


@pytest.mark.parametrize("epoch", [0, 1])
def test_with_shuffled_examples_it_takes_the_composition_out_too(quadratics, epoch):
    shuffles = Shuffles(batch_size=2, num_epochs=2, num_groups=12, group_size=1)
    noise = composition_noise(quadratics.problem, shuffles)
    pairs, corrected = [], []
    for lr in LRS:
        means = follow_groups(quadratics.problem, shuffles, lr)
        pairs.append(means.pairs[epoch].std(dim=0).norm().item())
        corrected.append((means.pairs - lr**2 * noise)[epoch].std(dim=0).norm().item())
    assert abs(slope(pairs) - 2) < 0.1
    assert abs(slope(corrected) - 3) < 0.1


def test_composition_noise_is_that_of_the_drawn_batches(quadratics):
    """−½ Σ_k A_k (A_k ω − b_k), less its mean over every batch; a group's is the mean of its shuffles."""

    def term(batch) -> np.ndarray:
        return quadratics.batch(batch)[0] @ quadratics.gradient(batch)

    shuffles = Shuffles(batch_size=3, num_epochs=2, num_groups=2, group_size=2)
    expected = np.mean([term(list(batch)) for batch in combinations(range(6), 3)], axis=0)
    for group, found in enumerate(composition_noise(quadratics.problem, shuffles).unbind(dim=1)):
        epochs = shuffles.draw(group, 6).transpose(0, 1).numpy()  # (E, S, m, B)
        sums = [[sum(term(batch) - expected for batch in order) for order in epoch] for epoch in epochs]
        np.testing.assert_allclose(found, -np.cumsum(np.mean(sums, axis=1), axis=0) / 2, rtol=1e-10)


def test_groups_average_forward_and_reversed_orders(quadratics):
    shuffles = Shuffles(batch_size=2, num_epochs=2, num_groups=2, group_size=3)
    means = follow_groups(quadratics.problem, shuffles, lr=0.1)
    for group in range(2):
        orders = shuffles.draw(group, 6)
        reverse = torch.stack([torch.stack([epoch.flip(0) for epoch in order]) for order in orders])
        there = follow_orders(quadratics.problem, orders, 0.1).mean(dim=1)
        back = follow_orders(quadratics.problem, reverse, 0.1).mean(dim=1)
        torch.testing.assert_close(means.forward[:, group], there)
        torch.testing.assert_close(means.pairs[:, group], (there + back) / 2)


def test_each_epoch_is_a_shuffle_of_all_examples_and_groups_differ():
    shuffles = Shuffles(batch_size=2, num_epochs=3, num_groups=2, group_size=4)
    first, second = (shuffles.draw(group, 6) for group in range(2))
    assert first.shape == (4, 3, 3, 2)
    assert torch.equal(first.flatten(2).sort(dim=2).values, torch.arange(6).expand(4, 3, 6))
    assert not torch.equal(first, second)
    assert torch.equal(first, shuffles.draw(0, 6))
    assert len(first.flatten(2).flatten(0, 1).unique(dim=0)) > 6


def test_batches_divide_the_examples():
    with pytest.raises(ValueError, match="batches of 4 don't divide 6 examples"):
        Shuffles(batch_size=4, num_epochs=1, num_groups=1, group_size=1).draw(0, 6)
