"""The packed MLP against torch's own modules, run by run."""

import math

import pytest
import torch

from sgdlab.models.mlp import Mlp
from sgdlab.models.network import num_parameters, stack_runs

ACTIVATIONS = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "gelu": torch.nn.GELU}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [(), (9,), (7, 10, 13)])
def test_a_pack_computes_what_each_run_computes_in_torch_nn(activation, hidden) -> None:
    network = Mlp((12, *hidden, 10), activation)
    parameters = stack_runs((network.initial_parameters(generator(seed)) for seed in range(3)), torch.float64)
    for name, values in parameters.items():
        if name.startswith("bias"):
            values.copy_(torch.randn(values.shape, generator=generator(), dtype=torch.float64))
    inputs = torch.randn(3, 5, 3, 2, 2, generator=generator(), dtype=torch.float64) * 3
    logits = network.logits(parameters, inputs)
    for run in range(3):
        modules: list[torch.nn.Module] = [torch.nn.Flatten()]
        for layer, (num_inputs, num_outputs) in enumerate(zip((12, *hidden), (*hidden, 10), strict=True)):
            linear = torch.nn.Linear(num_inputs, num_outputs, dtype=torch.float64)
            linear.weight.data = parameters[f"weight{layer}"][run].T
            linear.bias.data = parameters[f"bias{layer}"][run]
            modules += [linear, ACTIVATIONS[activation]()]
        expected = torch.nn.Sequential(*modules[:-1])(inputs[run])
        torch.testing.assert_close(logits[run], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_run_of_a_gelu_pack_gets_the_same_bits(dtype) -> None:
    # torch's own gelu computes the last few of all the elements in another way than those before
    network = Mlp((3, 5, 2), "gelu")
    parameters = stack_runs((network.initial_parameters(generator()) for _ in range(7)), dtype)
    inputs = torch.randn(1, 13, 3, generator=generator()).to(dtype).expand(7, 13, 3)
    leaves = {name: values.requires_grad_() for name, values in parameters.items()}
    logits = network.logits(leaves, inputs)
    gradients = torch.autograd.grad((logits**2).sum(), list(leaves.values()))
    for values in (logits, *gradients):
        assert all(torch.equal(run, values[0]) for run in values)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_weights_start_normal_with_he_s_variance_and_biases_at_zero(activation) -> None:
    parameters = Mlp((300, 400, 500, 10), activation).initial_parameters(generator())
    gain_sq = 1 if activation == "tanh" else 2
    for layer, (fan_in, variance) in enumerate([(300, gain_sq / 300), (400, gain_sq / 400), (500, 1 / 500)]):
        weight = parameters[f"weight{layer}"]
        assert weight.shape[0] == fan_in
        num = weight.numel()
        # four standard errors: of the mean √(v/n), of the variance v·√(2/n), of the kurtosis √(24/n)
        assert abs(weight.mean()) < 4 * math.sqrt(variance / num)
        assert abs(weight.var() / variance - 1) < 4 * math.sqrt(2 / num)
        assert abs((weight**4).mean() / weight.var() ** 2 - 3) < 4 * math.sqrt(24 / num)
        assert not parameters[f"bias{layer}"].any()


def test_initial_parameters_are_a_function_of_the_generator() -> None:
    network = Mlp((4, 5, 3))
    one, same, other = (network.initial_parameters(generator(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["weight0"], other["weight0"])


def test_every_precision_starts_at_the_same_numbers() -> None:
    initial = Mlp((4, 5, 3)).initial_parameters(generator())
    assert all(values.dtype == torch.float64 for values in initial.values())
    single = stack_runs(iter([initial]), torch.float32)
    assert all(torch.equal(single[name][0], initial[name].float()) for name in initial)


def test_parameter_counts() -> None:
    assert num_parameters(Mlp((784, 4096, 4096, 4096, 10))) == 36_818_954
    assert num_parameters(Mlp((40, 64, 64, 64, 10))) == 41 * 64 + 2 * 65 * 64 + 65 * 10
