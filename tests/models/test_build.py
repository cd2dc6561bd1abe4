import pytest

from sgdlab.config.datasets import Cifar10Data, DigitsData, ImageNetData, Mnist1dData, MnistData
from sgdlab.config.models import (
    AutoencoderModel,
    CnnModel,
    MlpModel,
    ResNet9Model,
    ResNet50Model,
    WideResNetModel,
)
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
        (WideResNetModel(depth=16, width=4, norm="batch"), Cifar10Data(), 2_748_890),
        (CnnModel(channels=(32, 64, 192), convolutions_per_stage=2), Cifar10Data(), 510_250),
        (CnnModel(channels=(32, 64, 192), convolutions_per_stage=2, norm="batch"), Cifar10Data(), 510_826),
        (ResNet9Model(channels=(38, 76, 152, 304)), Cifar10Data(), 2_320_024),
        (ResNet9Model(channels=(38, 76, 152, 304), norm="none"), Cifar10Data(), 2_318_694),
        (ResNet50Model(), ImageNetData(), 25_557_032),
        (ResNet50Model(stem="3x3"), Cifar10Data(), 23_520_842),
        (AutoencoderModel(encoder_widths=(1000, 500, 250, 30)), MnistData(), 2_837_314),
    ],
)
def test_a_network_fits_its_data(model, data, expected) -> None:
    network = build_network(model, data)
    assert num_parameters(network) == expected
    assert getattr(network, "activation", "tanh") == getattr(model, "activation", "tanh")
