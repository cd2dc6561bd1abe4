"""The networks and data that curvature is measured on: trained a little, on real images."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from performance.torch_networks import Cnn, Mlp, WideResNet
from sgdlab.config.schema import validate_component
from sgdlab.data.load import load_dataset
from sgdlab.data.pipeline import ResidentPipeline


@dataclass(frozen=True)
class Setting:
    """One workload."""

    title: str
    data: str
    num_examples: int
    chunk_size: int
    examples_per_probe: int
    num_updates: int  # of SGD with ε = 0.1 and B = 32 before: until the first eigenvalues stand apart


SETTINGS = {
    "mlp": Setting("MLP 784-128-128-10, Fashion-MNIST", "fashion_mnist", 8192, 512, 64, 2000),
    "cnn": Setting("CNN 16-32-64, CIFAR-10", "cifar10", 512, 64, 16, 2000),
    "wrn": Setting("WRN-16-4 SkipInit, CIFAR-10", "cifar10", 32, 16, 4, 600),
}


@dataclass(frozen=True)
class Problem:
    """A trained model and the examples."""

    setting: Setting
    model: nn.Module
    inputs: Tensor
    labels: Tensor

    def batches(self) -> list[tuple[Tensor, Tensor]]:
        """Return the examples in chunks, as the peers want them."""
        size = self.setting.chunk_size
        return list(zip(self.inputs.split(size), self.labels.split(size), strict=True))


def make_problem(name: str, device: torch.device, weights: Path) -> Problem:
    """Load the images, and train the network or load what an earlier call has trained."""
    setting = SETTINGS[name]
    num_train = max(2000, setting.num_examples)
    config = validate_component("data", {"kind": setting.data, "num_train": num_train, "num_test": 1})
    folder = Path(os.environ.get("SGDLAB_DATA", "data"))
    pipeline = ResidentPipeline(config, load_dataset(config, folder), device, torch.float32)
    torch.manual_seed(0)
    networks = {"mlp": lambda: Mlp((784, 128, 128, 10)), "cnn": lambda: Cnn((16, 32, 64))}
    model = networks.get(name, lambda: WideResNet(16, 4))().to(device)
    if weights.exists():
        model.load_state_dict(torch.load(weights, map_location=device, weights_only=True))
    else:
        _train(model, pipeline, setting.num_updates)
        torch.save(model.state_dict(), weights)
    some = slice(setting.num_examples)
    return Problem(setting, model, pipeline.train.inputs[some], pipeline.train.labels[some])


def _train(model: nn.Module, pipeline: ResidentPipeline, num_updates: int) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    inputs, labels = pipeline.train.inputs, pipeline.train.labels
    for _ in range(num_updates):
        chosen = torch.randint(len(labels), (32,)).to(labels.device)
        loss = nn.functional.cross_entropy(model(inputs[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
