"""The packed ResNet-50 against one written with torch's own modules, run by run."""

import math

import pytest
import torch
from torch import nn

from sgdlab.models.network import TrainingPass, num_parameters, stack_runs
from sgdlab.models.resnet50 import ResNet50


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def convolution(num_inputs, num_outputs, kernel, stride=1) -> list[nn.Module]:
    padding = {1: 0, 3: 1, 7: 3}[kernel]
    conv = nn.Conv2d(num_inputs, num_outputs, kernel, stride, padding, bias=False)
    return [conv, nn.BatchNorm2d(num_outputs)]


class PlainBottleneck(nn.Module):
    def __init__(self, num_inputs, num_inner, stride) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *convolution(num_inputs, num_inner, 1),
            nn.ReLU(),
            *convolution(num_inner, num_inner, 3, stride),
            nn.ReLU(),
            *convolution(num_inner, 4 * num_inner, 1),
        )
        projects = num_inputs != 4 * num_inner or stride != 1
        self.skip = nn.Sequential(*convolution(num_inputs, 4 * num_inner, 1, stride) if projects else [])

    def forward(self, x):
        return torch.relu(self.skip(x) + self.branch(x))


class PlainResNet50(nn.Sequential):
    """Its modules hold parameters in the order of ours."""

    def __init__(self, width, stem, num_classes=10) -> None:
        if stem == "7x7":
            layers = [*convolution(3, width, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
        else:
            layers = [*convolution(3, width, 3), nn.ReLU()]
        num_inputs = width
        for inner, num_blocks, stride in [(1, 3, 1), (2, 4, 2), (4, 6, 2), (8, 3, 2)]:
            for block in range(num_blocks):
                layers.append(PlainBottleneck(num_inputs, inner * width, stride if block == 0 else 1))
                num_inputs = 4 * inner * width
        head = nn.Linear(num_inputs, num_classes)
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)

    def load(self, values, run) -> None:
        pairs = [m for m in self.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
        names = [name.removesuffix("_norm_mean") for name in values if name.endswith("_norm_mean")]
        with torch.no_grad():
            for name, conv, norm in zip(names, pairs[::2], pairs[1::2], strict=True):
                conv.weight.copy_(values[f"{name}_weight"][run])
                norm.weight.copy_(values[f"{name}_norm_weight"][run])
                norm.bias.copy_(values[f"{name}_norm_bias"][run])
                norm.running_mean.copy_(values[f"{name}_norm_mean"][run])
                norm.running_var.copy_(values[f"{name}_norm_var"][run])
            self[-1].weight.copy_(values["head_weight"][run].T)
            self[-1].bias.copy_(values["head_bias"][run])


def random_values(network, num_runs, dtype=torch.float64):
    """Initial weights, with normalisations and running averages of their own."""
    values = stack_runs((network.initial_parameters(generator(seed)) for seed in range(num_runs)), dtype)
    for name, parameter in values.items():
        if name.endswith("bias") or "_norm_" in name:
            parameter += torch.randn(parameter.shape, generator=generator(), dtype=dtype) / 4
    for name, one in network.initial_buffers(6).items():
        values[name] = 1 + torch.rand(num_runs, *one.shape, generator=generator(1), dtype=dtype)
    return values


@pytest.mark.parametrize(("stem", "size"), [("7x7", 64), ("7x7", 37), ("3x3", 16), ("3x3", 9)])
@pytest.mark.parametrize("is_training", [True, False])
def test_a_pack_computes_what_each_run_computes_in_torch_nn(is_training, stem, size) -> None:
    network = ResNet50(num_channels=3, num_classes=10, width=2, stem=stem)
    values = random_values(network, 2)
    images = torch.randn(2, 4, 3, size, size, generator=generator(), dtype=torch.float64)
    training = TrainingPass() if is_training else None
    logits = network.logits(values, images, training)
    for run in range(2):
        plain = PlainResNet50(2, stem).double()
        plain.load(values, run)
        expected = plain.train(is_training)(images[run]).detach()
        torch.testing.assert_close(logits[run], expected, rtol=1e-8, atol=1e-8)
        if training is not None:
            name = "stem_norm_var"
            moved = network.next_buffer(name, values[name], training.observed[name])
            torch.testing.assert_close(moved[run], plain[1].running_var)


def test_ghosts_are_normalised_apart() -> None:
    network = ResNet50(num_channels=3, num_classes=10, width=2, stem="3x3", ghost_size=3)
    values = random_values(network, 2)
    images = torch.randn(2, 6, 3, 16, 16, generator=generator(), dtype=torch.float64)
    together = network.logits(values, images, TrainingPass())
    apart = [network.logits(values, ghost, TrainingPass()) for ghost in images.split(3, dim=1)]
    torch.testing.assert_close(together, torch.cat(apart, dim=1), rtol=1e-8, atol=1e-8)


def test_parameter_counts() -> None:
    assert num_parameters(ResNet50(num_channels=3, num_classes=1000)) == 25_557_032  # as published
    small = PlainResNet50(4, "3x3")
    ours = ResNet50(num_channels=3, num_classes=10, width=4, stem="3x3")
    assert num_parameters(ours) == sum(p.numel() for p in small.parameters())


def test_convolutions_start_by_he_s_rule() -> None:
    parameters = ResNet50(num_channels=3, num_classes=10, width=8).initial_parameters(generator())
    for name, values in parameters.items():
        if "_norm_" in name or name.endswith("bias"):
            assert torch.equal(values, torch.full_like(values, name.endswith("weight")))
            continue
        variance = 1 / values.shape[0] if name == "head_weight" else 2 / values[0].numel()
        assert abs(values.mean()) < 4 * math.sqrt(variance / values.numel())  # four standard errors each
        assert abs(values.var() / variance - 1) < 4 * math.sqrt(2 / values.numel())


@pytest.mark.parametrize("is_training", [True, False])
def test_a_run_of_a_pack_gets_the_bits_of_the_run_alone(is_training) -> None:
    network = ResNet50(num_channels=1, num_classes=10, width=2, stem="3x3", ghost_size=2)
    values = random_values(network, 3, torch.float32)
    images = torch.randn(3, 4, 1, 8, 8, generator=generator())
    training = TrainingPass if is_training else lambda: None
    together = network.logits(values, images, training())
    for run in range(3):
        alone = {name: value[run : run + 1] for name, value in values.items()}
        assert torch.equal(network.logits(alone, images[run : run + 1], training())[0], together[run])
