"""The packed convolutional network against torch's own modules, run by run."""

import pytest
import torch
from torch import nn

from sgdlab.config.datasets import Cifar10Data, DigitsData
from sgdlab.config.models import CnnModel
from sgdlab.models.build import build_network
from sgdlab.models.cnn import Cnn
from sgdlab.models.layers import convolve_each, convolve_grouped, convolve_unfolded
from sgdlab.models.network import TrainingPass, num_parameters, stack_runs


def test_its_parameters_are_those_of_its_layers() -> None:
    plain = build_network(CnnModel(channels=(16, 32, 64)), Cifar10Data())
    assert num_parameters(plain) == (9 * 3 + 1) * 16 + (9 * 16 + 1) * 32 + (9 * 32 + 1) * 64 + 65 * 10
    deeper = build_network(CnnModel(channels=(4, 5), convolutions_per_stage=2), DigitsData())
    assert num_parameters(deeper) == 10 * 4 + 37 * 4 + 37 * 5 + 46 * 5 + 6 * 10


def in_torch_nn(network: Cnn, parameters: dict[str, torch.Tensor], run: int) -> nn.Sequential:
    """Build one run's network from torch's own modules."""
    modules: list[nn.Module] = []
    num_inputs = network.num_channels
    for stage, num_outputs in enumerate(network.channels):
        for index in range(network.convolutions_per_stage):
            conv = nn.Conv2d(num_inputs, num_outputs, 3, padding=1, dtype=torch.float64)
            conv.weight.data = parameters[f"stage{stage}_conv{index}_weight"][run]
            conv.bias.data = parameters[f"stage{stage}_conv{index}_bias"][run]
            modules += [conv, nn.ReLU()]
            num_inputs = num_outputs
        modules.append(nn.MaxPool2d(2))
    head = nn.Linear(num_inputs, network.num_classes, dtype=torch.float64)
    head.weight.data, head.bias.data = parameters["head_weight"][run].T, parameters["head_bias"][run]
    return nn.Sequential(*modules, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


@pytest.mark.parametrize("convolve", [convolve_each, convolve_grouped, convolve_unfolded])
@pytest.mark.parametrize("convolutions_per_stage", [1, 2])
def test_a_pack_computes_what_each_run_computes_in_torch_nn(convolve, convolutions_per_stage) -> None:
    network = Cnn((4, 5), convolutions_per_stage, num_channels=3, num_classes=10, convolve=convolve)
    draw = (network.initial_parameters(torch.Generator().manual_seed(seed)) for seed in range(3))
    parameters = stack_runs(draw, torch.float64)
    generator = torch.Generator().manual_seed(7)
    for name, values in parameters.items():
        if name.endswith("bias"):  # zeros at the start hide mistakes
            values.copy_(torch.randn(values.shape, generator=generator, dtype=torch.float64))
    inputs = torch.randn(3, 2, 3, 9, 6, generator=generator, dtype=torch.float64)  # odd sizes lose a row
    logits = network.logits(parameters, inputs)
    for run in range(3):
        expected = in_torch_nn(network, parameters, run)(inputs[run])
        torch.testing.assert_close(logits[run], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("is_training", [True, False])
def test_with_batch_normalisation_too(is_training) -> None:
    network = Cnn((4, 5), 2, num_channels=3, num_classes=10, has_norm=True)
    draw = (network.initial_parameters(torch.Generator().manual_seed(seed)) for seed in range(3))
    values = stack_runs(draw, torch.float64)
    assert not any(name.endswith("conv0_bias") for name in values)
    generator = torch.Generator().manual_seed(7)
    for name, one in network.initial_buffers(4).items():
        values[name] = 1 + torch.rand(3, *one.shape, generator=generator, dtype=torch.float64)
    inputs = torch.randn(3, 4, 3, 9, 6, generator=generator, dtype=torch.float64)
    training = TrainingPass() if is_training else None
    logits = network.logits(values, inputs, training)
    for run in range(3):
        no_bias = {name.replace("weight", "bias"): w.new_zeros(w.shape[:2]) for name, w in values.items()}
        modules: list[nn.Module] = []
        for module in in_torch_nn(network, no_bias | values, run):
            modules.append(module)
            if isinstance(module, nn.Conv2d):
                norm = nn.BatchNorm2d(module.out_channels, dtype=torch.float64)
                name = f"stage{len(modules) // 7}_conv{len(modules) % 7 // 3}_norm"
                norm.running_mean, norm.running_var = values[f"{name}_mean"][run], values[f"{name}_var"][run]
                modules.append(norm)
        expected = nn.Sequential(*modules).train(is_training)(inputs[run])
        torch.testing.assert_close(logits[run], expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 7])
@pytest.mark.parametrize("convolve", [convolve_grouped, convolve_unfolded])
def test_all_ways_to_convolve_agree(convolve, kernel, stride) -> None:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(3, 2, 4, 7, 5, generator=generator, dtype=torch.float64)
    weight = torch.randn(3, 6, 4, kernel, kernel, generator=generator, dtype=torch.float64)
    bias = torch.randn(3, 6, generator=generator, dtype=torch.float64)
    expected = convolve_each(inputs, weight, bias, stride)
    torch.testing.assert_close(convolve(inputs, weight, bias, stride), expected, rtol=1e-12, atol=1e-12)
