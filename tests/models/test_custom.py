"""A network from a user's file: built, or refused with the reason."""

import sys

import pytest
import torch

from sgdlab.config.custom_network import find_network
from sgdlab.config.datasets import DigitsData
from sgdlab.config.models import CustomModel
from sgdlab.errors import UserError
from sgdlab.models.build import build_network
from sgdlab.models.network import num_parameters

NETWORK = """
from __future__ import annotations
from dataclasses import dataclass
import math
from sgdlab.models.layers import linear, normal_linear
from sgdlab.models.network import Network

@dataclass(frozen=True)
class Linear(Network):
    sample_shape: tuple[int, ...]
    num_classes: int
    gain: float = 1.0

    def initial_parameters(self, generator):
        weight, bias = normal_linear(math.prod(self.sample_shape), self.num_classes, self.gain, generator)
        return {"weight": weight, "bias": bias}

    def logits(self, parameters, inputs, training=None):
        return linear(inputs.flatten(2), parameters["weight"], parameters["bias"])

class Bare:
    def __init__(self, sample_shape, num_classes): ...

def no_class(sample_shape, num_classes): ...
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Write the file, in the working folder, which is not on Python's path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    path = tmp_path / "own_linear.py"
    path.write_text(NETWORK)
    yield path
    sys.modules.pop("own_linear", None)


@pytest.mark.parametrize("place", ["own_linear.py", "own_linear"])
def test_a_network_is_built_from_a_path_or_a_module(file, place):
    network = build_network(CustomModel(network=f"{place}:Linear", options={"gain": 0}), DigitsData())
    assert (network.sample_shape, network.num_classes) == ((1, 8, 8), 10)
    assert num_parameters(network) == 65 * 10
    parameters = network.initial_parameters(torch.Generator())
    assert not parameters["weight"].any()
    assert network.num_draws == 0


def test_another_text_than_was_planned_is_refused(file):
    planned = CustomModel(
        network="own_linear.py:Linear", source_sha256=find_network("own_linear:Linear").sha256
    )
    build_network(planned, DigitsData())
    file.write_text(NETWORK + "\n")
    with pytest.raises(
        UserError, match=r"own_linear.py has changed since this run was planned; give the comm"
    ):
        build_network(planned, DigitsData())


@pytest.mark.parametrize(
    ("class_name", "options", "message"),
    [
        ("Linear", {"bias": 1}, r"can't be built with .* options {'bias': 1}: TypeError: .*'bias'"),
        ("Bare", {}, "isn't a network: derive Bare from sgdlab.models.network.Network"),
        ("no_class", {}, "defines no class no_class; it has Linear, Bare"),
    ],
)
def test_what_only_building_shows_is_one_message(file, class_name, options, message):
    with pytest.raises(UserError, match=message):
        build_network(CustomModel(network=f"own_linear.py:{class_name}", options=options), DigitsData())


def test_a_file_that_raises_is_named(file):
    file.write_text(NETWORK + "1 / 0\n")
    for _ in range(2):  # a half-imported module isn't taken for a whole one
        with pytest.raises(UserError, match=r"own_linear.py can't be imported: ZeroDivisionError"):
            build_network(CustomModel(network="own_linear.py:Linear"), DigitsData())
