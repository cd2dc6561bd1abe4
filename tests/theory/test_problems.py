"""Costs against torch.nn, gradients against finite differences."""

import numpy as np
import pytest
import torch

from sgdlab.data.digits import read_digits
from sgdlab.theory.problems import digits_mlp


def test_costs_are_those_of_the_same_network_built_of_torch_nn():
    problem = digits_mlp(num_examples=12, hidden_widths=(5, 3), seed=1)
    network = torch.nn.Sequential(
        *(torch.nn.Linear(64, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3), torch.nn.Tanh()),
        torch.nn.Linear(3, 10),
    ).double()
    sizes = [n for a, b in ((64, 5), (5, 3), (3, 10)) for n in (a * b, b)]
    pieces = problem.start.split(sizes)
    with torch.no_grad():
        for layer, weight, bias in zip(network[::2], pieces[::2], pieces[1::2], strict=True):
            layer.weight.copy_(weight.view(layer.in_features, -1).T)
            layer.bias.copy_(bias)
    arrays = read_digits()
    inputs = torch.tensor(arrays.train_inputs[:12])
    expected = torch.nn.functional.cross_entropy(
        network(inputs.double().flatten(1) / 127.5 - 1),
        torch.tensor(arrays.train_labels[:12]).long(),
        reduction="none",
    )
    found = problem.costs(problem.start[None], torch.arange(12)[None])[0]
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)


def test_gradients_are_those_of_finite_differences_at_several_points_at_once():
    problem = digits_mlp(num_examples=8, hidden_widths=(3,))
    points = torch.stack([problem.start, problem.start * 0.5])
    examples = torch.tensor([[0, 3], [5, 7]])
    found = problem.gradients(points, examples)
    step = 6e-6  # machine_eps^(1/3): truncation and rounding are both about 1e-10
    for parameter in (0, 100, 192, 200, len(problem.start) - 1):
        shift = torch.zeros_like(problem.start)
        shift[parameter] = step
        above, below = (problem.costs(points + sign * shift, examples).mean(dim=1) for sign in (1, -1))
        torch.testing.assert_close(found[:, parameter], (above - below) / (2 * step), rtol=1e-7, atol=1e-9)


def test_the_quadratic_is_what_it_says(quadratics):
    examples = [1, 4, 5]
    found = quadratics.problem.gradients(quadratics.problem.start[None], torch.tensor([examples]))[0]
    np.testing.assert_allclose(found, quadratics.gradient(examples), rtol=1e-12)


def test_batches_are_equal_or_refused():
    problem = digits_mlp(num_examples=12)
    assert problem.batches(3).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    with pytest.raises(ValueError, match="12 examples don't make 5 equal batches"):
        problem.batches(5)


@pytest.mark.parametrize(("num_examples", "largest_time"), [(20, 2**-5), (60, 5 * 2**-7), (60, 60 * 2**-11)])
def test_the_time_of_an_epoch_is_short_beside_the_curvature(num_examples, largest_time):
    """What the checks say of their ε: mε times the largest eigenvalue is below 0.15."""
    problem = digits_mlp(num_examples)

    def cost(point):
        return problem.costs(point[None], problem.batches(1)).mean()

    hessian = torch.autograd.functional.hessian(cost, problem.start)
    assert largest_time * torch.linalg.eigvalsh(hessian).abs().max() < 0.15
