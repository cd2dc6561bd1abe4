"""The packed ResNet-9 against one written with torch's own modules, run by run."""

import math

import pytest
import torch
from torch import nn

from sgdlab.models.network import TrainingPass, num_parameters, stack_runs
from sgdlab.models.resnet9 import ResNet9

CHANNELS = (3, 4, 5, 6)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class PlainResNet9(nn.Module):
    """Parameters are named as ours are."""

    def __init__(self, has_norm: bool) -> None:
        super().__init__()
        self.pool, self.convolutions = nn.MaxPool2d(2), []
        one, two, three, four = CHANNELS
        for name, num_inputs, num_outputs in [
            ("stem", 3, one),
            ("stage1_conv", one, two),
            ("stage1_residual0", two, two),
            ("stage1_residual1", two, two),
            ("stage2_conv", two, three),
            ("stage3_conv", three, four),
            ("stage3_residual0", four, four),
            ("stage3_residual1", four, four),
        ]:
            self.add_module(name, nn.Conv2d(num_inputs, num_outputs, 3, padding=1, bias=not has_norm))
            if has_norm:
                self.add_module(f"{name}_norm", nn.BatchNorm2d(num_outputs))
        self.head = nn.Linear(four, 10)

    def unit(self, name, x):
        norm = getattr(self, f"{name}_norm", nn.Identity())
        return torch.relu(norm(getattr(self, name)(x)))

    def forward(self, x):
        x = self.pool(self.unit("stage1_conv", self.unit("stem", x)))
        x = x + self.unit("stage1_residual1", self.unit("stage1_residual0", x))
        x = self.pool(self.unit("stage2_conv", x))
        x = self.pool(self.unit("stage3_conv", x))
        x = x + self.unit("stage3_residual1", self.unit("stage3_residual0", x))
        return self.head(nn.functional.adaptive_max_pool2d(x, 1).flatten(1))

    def load(self, parameters, run) -> None:
        state = {}
        for name, own in self.state_dict().items():
            ours = name.replace("running_", "").replace(".", "_")
            values = own if name.endswith("num_batches_tracked") else parameters[ours][run]
            state[name] = values.T if name == "head.weight" else values
        self.load_state_dict(state)


def random_values(network, num_runs, dtype=torch.float64):
    """Initial weights, with biases that are not 0 and running averages of their own."""
    values = stack_runs((network.initial_parameters(generator(seed)) for seed in range(num_runs)), dtype)
    for name, parameter in values.items():
        if name.endswith("bias") or "_norm_" in name:
            parameter += torch.randn(parameter.shape, generator=generator(), dtype=dtype) / 2
    for name, one in network.initial_buffers(6).items():
        values[name] = 1 + torch.rand(num_runs, *one.shape, generator=generator(1), dtype=dtype)
    return values


@pytest.mark.parametrize("size", [8, 19])  # 19 loses rows
@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize("has_norm", [True, False])
def test_a_pack_computes_what_each_run_computes_in_torch_nn(has_norm, is_training, size) -> None:
    network = ResNet9(CHANNELS, num_channels=3, num_classes=10, has_norm=has_norm)
    values = random_values(network, 2)
    images = torch.randn(2, 6, 3, size, size, generator=generator(), dtype=torch.float64)
    training = TrainingPass() if is_training else None
    logits = network.logits(values, images, training)
    for run in range(2):
        plain = PlainResNet9(has_norm).double()
        assert sum(p.numel() for p in plain.parameters()) == num_parameters(network)
        plain.load(values, run)
        expected = plain.train(is_training)(images[run]).detach()
        torch.testing.assert_close(logits[run], expected, rtol=1e-10, atol=1e-10)
        if has_norm and training is not None:
            for name, observed in training.observed.items():
                moved = getattr(plain, name.rpartition("_")[0]).get_buffer(f"running_{name[-4:].strip('_')}")
                torch.testing.assert_close(network.next_buffer(name, values[name], observed)[run], moved)


def test_ghosts_are_normalised_apart() -> None:
    network = ResNet9(CHANNELS, num_channels=3, num_classes=10, ghost_size=3)
    values = random_values(network, 2)
    images = torch.randn(2, 6, 3, 8, 8, generator=generator(), dtype=torch.float64)
    together = network.logits(values, images, TrainingPass())
    apart = [network.logits(values, ghost, TrainingPass()) for ghost in images.split(3, dim=1)]
    torch.testing.assert_close(together, torch.cat(apart, dim=1))


def test_parameter_counts() -> None:
    usual = ResNet9((64, 128, 256, 512), num_channels=3, num_classes=10)
    assert num_parameters(usual) == 6_573_130
    assert num_parameters(ResNet9((38, 76, 152, 304), num_channels=3, num_classes=10)) == 2_320_024
    assert num_parameters(ResNet9((37, 74, 148, 296), num_channels=3, num_classes=10)) < 2_280_000
    assert num_parameters(ResNet9((39, 78, 156, 312), num_channels=3, num_classes=10)) > 2_320_024


def test_convolutions_start_by_he_s_rule() -> None:
    parameters = ResNet9((16, 24, 32, 40), num_channels=3, num_classes=10).initial_parameters(generator())
    for name, values in parameters.items():
        if "_norm_" in name or name.endswith("bias"):
            assert torch.equal(values, torch.full_like(values, name.endswith("weight")))
            continue
        variance = 1 / values.shape[0] if name == "head_weight" else 2 / values[0].numel()
        assert abs(values.mean()) < 4 * math.sqrt(variance / values.numel())  # four standard errors each
        assert abs(values.var() / variance - 1) < 4 * math.sqrt(2 / values.numel())


@pytest.mark.parametrize("is_training", [True, False])
def test_a_run_of_a_pack_gets_the_bits_of_the_run_alone(is_training) -> None:
    network = ResNet9(CHANNELS, num_channels=1, num_classes=10, ghost_size=2)
    values = random_values(network, 5, torch.float32)
    images = torch.randn(5, 4, 1, 8, 8, generator=generator())
    training = TrainingPass if is_training else lambda: None
    together = network.logits(values, images, training())
    for run in range(5):
        alone = {name: value[run : run + 1] for name, value in values.items()}
        assert torch.equal(network.logits(alone, images[run : run + 1], training())[0], together[run])
