"""The packed autoencoder against torch's own modules, run by run."""

import math

import pytest
import torch
from torch import nn

from sgdlab.models.autoencoder import Autoencoder
from sgdlab.models.network import num_parameters, stack_runs
from sgdlab.training.losses import example_losses


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def in_torch_nn(parameters, run) -> nn.Sequential:
    """12-7-5-3 and back: sigmoid units, a linear code, logits at the end."""
    layers = []
    for layer, (num_inputs, num_outputs) in enumerate([(12, 7), (7, 5), (5, 3), (3, 5), (5, 7), (7, 12)]):
        linear = nn.Linear(num_inputs, num_outputs, dtype=torch.float64)
        linear.weight.data = parameters[f"weight{layer}"][run].T
        linear.bias.data = parameters[f"bias{layer}"][run]
        layers.append(linear)
    one, two, code, four, five, end = layers
    activations = [nn.Sigmoid() for _ in range(4)]
    return nn.Sequential(
        one, activations[0], two, activations[1], code, four, activations[2], five, activations[3], end
    )


def random_parameters(network, num_runs, dtype=torch.float64):
    values = stack_runs((network.initial_parameters(generator(seed)) for seed in range(num_runs)), dtype)
    for name, parameter in values.items():
        if name.startswith("bias"):  # zeros at the start hide mistakes
            parameter.copy_(torch.randn(parameter.shape, generator=generator(), dtype=dtype))
    return values


def test_a_pack_computes_what_each_run_computes_in_torch_nn() -> None:
    network = Autoencoder((12, 7, 5, 3))
    parameters = random_parameters(network, 3)
    inputs = torch.rand(3, 5, 3, 2, 2, generator=generator(), dtype=torch.float64)
    logits = network.logits(parameters, inputs)
    for run in range(3):
        expected = in_torch_nn(parameters, run)(inputs[run].flatten(1))
        torch.testing.assert_close(logits[run], expected, rtol=1e-12, atol=1e-12)


def test_parameter_count() -> None:
    assert num_parameters(Autoencoder((784, 1000, 500, 250, 30))) == 2_837_314


def test_each_unit_starts_with_fifteen_normal_weights() -> None:
    parameters = Autoencoder((300, 200, 10)).initial_parameters(generator())
    for layer, fan_in in enumerate([300, 200, 10, 200]):
        weight = parameters[f"weight{layer}"]
        assert weight.shape[0] == fan_in
        assert torch.equal((weight != 0).sum(dim=0), torch.full((weight.shape[1],), min(15, fan_in)))
        drawn = weight[weight != 0]
        assert abs(drawn.mean()) < 4 / math.sqrt(len(drawn))  # four standard errors each
        assert abs(drawn.var() - 1) < 4 * math.sqrt(2 / len(drawn))
        assert not parameters[f"bias{layer}"].any()
    # every input is as likely: of 300 inputs each is drawn 200·15/300 = 10 times, with variance 10·(1 − 1/20)
    counts = (parameters["weight0"] != 0).sum(dim=1).double()
    assert abs(counts.var() / 9.5 - 1) < 4 * math.sqrt(2 / 300)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_run_of_a_pack_gets_the_same_bits(dtype) -> None:
    network = Autoencoder((9, 5, 3))
    parameters = stack_runs((network.initial_parameters(generator()) for _ in range(7)), dtype)
    inputs = torch.rand(1, 13, 9, generator=generator()).to(dtype).expand(7, 13, 9)
    leaves = {name: values.requires_grad_() for name, values in parameters.items()}
    logits = network.logits(leaves, inputs)
    losses = example_losses("bernoulli", logits, inputs, torch.empty(7, 13))
    gradients = torch.autograd.grad(losses.sum(), list(leaves.values()))
    for values in (logits, losses, *gradients):
        assert all(torch.equal(run, values[0]) for run in values)
