"""The packed Wide-ResNet against one written with torch's own modules, run by run."""

import math

import pytest
import torch
from torch import nn

from sgdlab.models.network import TrainingPass, num_parameters, stack_runs
from sgdlab.models.wide_resnet import WideResNet


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_parameters(network, num_runs, dtype=torch.float64):
    """Initial weights, with biases and scalars that are not 0, so that nothing hides."""
    parameters = stack_runs((network.initial_parameters(generator(seed)) for seed in range(num_runs)), dtype)
    for name, values in parameters.items():
        if name.endswith(("bias", "scale")):
            values.copy_(torch.randn(values.shape, generator=generator(), dtype=dtype) / 2)
    return parameters


class PlainBlock(nn.Module):
    """A block with SkipInit, or with batch normalisation."""

    def __init__(self, num_inputs: int, num_outputs: int, stride: int, has_norm: bool) -> None:
        super().__init__()
        has_bias = not has_norm
        self.norm1 = nn.BatchNorm2d(num_inputs) if has_norm else nn.Identity()
        self.conv1 = nn.Conv2d(num_inputs, num_outputs, 3, stride, padding=1, bias=has_bias)
        self.norm2 = nn.BatchNorm2d(num_outputs) if has_norm else nn.Identity()
        self.conv2 = nn.Conv2d(num_outputs, num_outputs, 3, padding=1, bias=has_bias)
        self.scale = None if has_norm else nn.Parameter(torch.zeros(1))
        self.skip = None
        if stride != 1 or num_inputs != num_outputs:
            self.skip = nn.Conv2d(num_inputs, num_outputs, 1, stride, bias=has_bias)

    def forward(self, x):
        activated = torch.relu(self.norm1(x))
        branch = self.conv2(torch.relu(self.norm2(self.conv1(activated))))
        branch = branch if self.scale is None else self.scale * branch
        return (x if self.skip is None else self.skip(activated)) + branch


class PlainWideResNet(nn.Module):
    """Zagoruyko & Komodakis' order of layers; parameters are named as ours are."""

    def __init__(self, depth: int, width: int, num_channels: int, has_norm: bool = False) -> None:
        super().__init__()
        self.stem = nn.Conv2d(num_channels, 16, 3, padding=1, bias=not has_norm)
        planes = 16
        for group, (outputs, stride) in enumerate([(16 * width, 1), (32 * width, 2), (64 * width, 2)]):
            for index in range((depth - 4) // 6):
                block = PlainBlock(planes, outputs, stride if index == 0 else 1, has_norm)
                self.add_module(f"group{group}_block{index}", block)
                planes = outputs
        self.head_norm = nn.BatchNorm2d(planes) if has_norm else nn.Identity()
        self.head = nn.Linear(planes, 10)

    def forward(self, x):
        for layer in list(self.children())[:-1]:
            x = layer(x)
        return self.head(nn.functional.adaptive_avg_pool2d(torch.relu(x), 1).flatten(1))

    def load(self, parameters, run) -> None:
        state = {}
        for name, own in self.state_dict().items():
            if name.endswith("num_batches_tracked"):
                state[name] = own
                continue
            ours = name.replace("running_", "").replace(".", "_")
            values = parameters[ours][run]
            state[name] = values.T if name == "head.weight" else values
        self.load_state_dict(state)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-4)])
@pytest.mark.parametrize(("depth", "width", "size"), [(10, 1, 8), (10, 2, 7), (16, 1, 9)])
def test_a_pack_computes_what_each_run_computes_in_torch_nn(depth, width, size, dtype, tolerance) -> None:
    network = WideResNet(depth, width, num_channels=3, num_classes=10)
    parameters = random_parameters(network, 2, dtype)
    images = torch.randn(2, 3, 3, size, size, generator=generator(), dtype=dtype)
    logits = network.logits(parameters, images)
    plain = PlainWideResNet(depth, width, 3).to(dtype)
    assert len(plain.state_dict()) == len(parameters)
    for run in range(2):
        plain.load(parameters, run)
        torch.testing.assert_close(logits[run], plain(images[run]).detach(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("is_training", [True, False])
def test_so_it_does_with_batch_normalisation(is_training) -> None:
    network = WideResNet(10, 2, num_channels=3, num_classes=10, has_norm=True)
    values = random_parameters(network, 2)
    for name, one in network.initial_buffers(6).items():
        values[name] = (1 + torch.rand(2, *one.shape, generator=generator(1))).double()
    images = torch.randn(2, 6, 3, 8, 8, generator=generator(), dtype=torch.float64)
    training = TrainingPass() if is_training else None
    logits = network.logits(values, images, training)
    for run in range(2):
        plain = PlainWideResNet(10, 2, 3, has_norm=True).double()
        plain.load(values, run)
        expected = plain.train(is_training)(images[run]).detach()
        torch.testing.assert_close(logits[run], expected)
        if training is not None:
            moved = plain.group1_block0.norm2.running_var
            observed = training.observed["group1_block0_norm2_var"]
            ours = network.next_buffer("", values["group1_block0_norm2_var"], observed)
            torch.testing.assert_close(ours[run], moved)


def test_units_are_dropped_before_the_last_layer_in_training_alone() -> None:
    network = WideResNet(10, 1, num_channels=3, num_classes=10, dropout=0.25)
    parameters = random_parameters(network, 2)
    images = torch.randn(2, 5, 3, 8, 8, generator=generator(), dtype=torch.float64)
    kept = network.logits(parameters, images)
    assert network.num_draws == 64
    none_below = torch.full((2, 5, 64), 0.25)
    scaled = network.logits(parameters, images, TrainingPass(none_below))
    bias = parameters["head_bias"].unsqueeze(1)
    torch.testing.assert_close((scaled - bias) * 0.75, kept - bias)
    all_below = network.logits(parameters, images, TrainingPass(none_below - 1e-6))
    torch.testing.assert_close(all_below, bias.expand(all_below.shape))


def test_at_its_start_a_block_is_its_skip_path() -> None:
    """SkipInit: the branches contribute nothing, so that the network is a chain of 1×1 convolutions."""
    network = WideResNet(16, 1, num_channels=3, num_classes=10)
    parameters = stack_runs((network.initial_parameters(generator(s)) for s in range(2)), torch.float64)
    images = torch.randn(2, 3, 3, 8, 8, generator=generator(), dtype=torch.float64)
    logits = network.logits(parameters, images)
    for run in range(2):
        kernel = parameters["stem_weight"][run]
        hidden = nn.functional.conv2d(images[run], kernel, padding=1)  # group 0 keeps 16 channels: identity
        for group in (1, 2):
            weight = parameters[f"group{group}_block0_skip_weight"][run, :, :, 0, 0]
            hidden = torch.einsum("oi,bihw->bohw", weight, hidden.relu()[:, :, ::2, ::2])
        expected = hidden.relu().mean(dim=(2, 3)) @ parameters["head_weight"][run]
        torch.testing.assert_close(logits[run], expected, rtol=1e-12, atol=1e-12)
    for name in parameters:
        if "conv1" in name or "conv2" in name:
            parameters[name] = torch.full_like(parameters[name], 7.0)
    assert torch.equal(network.logits(parameters, images), logits)


@pytest.mark.parametrize(
    ("depth", "width", "expected"), [(10, 1, 77_709), (16, 4, 2_747_536), (28, 10, 36_471_350)]
)
def test_parameter_counts(depth, width, expected) -> None:
    assert num_parameters(WideResNet(depth, width, num_channels=3, num_classes=10)) == expected


@pytest.mark.parametrize(
    ("depth", "width", "expected"), [(10, 1, 77_850), (16, 4, 2_748_890), (28, 10, 36_479_194)]
)
def test_parameter_counts_with_batch_normalisation(depth, width, expected) -> None:
    network = WideResNet(depth, width, num_channels=3, num_classes=10, has_norm=True)
    assert num_parameters(network) == expected


def test_convolutions_start_by_he_s_rule_and_the_rest_at_zero() -> None:
    parameters = WideResNet(16, 2, num_channels=3, num_classes=10).initial_parameters(generator())
    for name, values in parameters.items():
        if name.endswith(("bias", "scale")):
            assert not values.any()
            continue
        variance = 1 / values.shape[0] if name == "head_weight" else 2 / values[0].numel()
        num = values.numel()
        assert abs(values.mean()) < 4 * math.sqrt(variance / num)  # four standard errors each
        assert abs(values.var() / variance - 1) < 4 * math.sqrt(2 / num)


def test_a_run_of_a_pack_gets_the_bits_of_the_run_alone() -> None:
    network = WideResNet(10, 1, num_channels=1, num_classes=10)
    parameters = random_parameters(network, 5, torch.float32)
    images = torch.randn(5, 3, 1, 7, 7, generator=generator())
    together = network.logits(parameters, images)
    for run in range(5):
        alone = {name: values[run : run + 1] for name, values in parameters.items()}
        assert torch.equal(network.logits(alone, images[run : run + 1])[0], together[run])
