import pytest

from sgdlab.config.components import MlpModel, WideResNetModel
from sgdlab.config.datasets import Cifar10Data, DigitsData, Mnist1dData
from sgdlab.models.build import build_network
from sgdlab.models.network import num_parameters


@pytest.mark.parametrize(
    ("model", "data", "expected"),
    [
        (MlpModel(hidden_widths=(64, 64, 64)), Mnist1dData(), 41 * 64 + 2 * 65 * 64 + 65 * 10),
        (MlpModel(hidden_widths=(5,), activation="tanh"), DigitsData(), 65 * 5 + 6 * 10),
        (MlpModel(hidden_widths=()), Cifar10Data(), 3073 * 10),
        (WideResNetModel(depth=10, width=1), Cifar10Data(), 77_709),
        (WideResNetModel(depth=10, width=1), DigitsData(), 77_709 - 2 * 9 * 16),  # one channel for three
    ],
)
def test_a_network_fits_its_data(model, data, expected) -> None:
    network = build_network(model, data)
    assert num_parameters(network) == expected
    assert getattr(network, "activation", "tanh") == getattr(model, "activation", "tanh")
