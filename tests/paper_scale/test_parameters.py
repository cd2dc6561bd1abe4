"""The papers' networks have as many parameters as was published, or follows from their descriptions."""

import pytest

from sgdlab.config.datasets import (
    Cifar10Data,
    Cifar100Data,
    FashionMnistData,
    ImageNetData,
    MnistData,
    PtbData,
)
from sgdlab.config.models import (
    AutoencoderModel,
    CnnModel,
    LstmModel,
    MlpModel,
    ResNet9Model,
    ResNet50Model,
    WideResNetModel,
)
from sgdlab.models.build import build_network
from sgdlab.models.network import num_parameters

SMALL_IMAGES, HUNDRED = Cifar10Data(), Cifar100Data()
KNOWN = {
    "smith2021, fig. 1: WRN-10-1, SkipInit": (WideResNetModel(depth=10, width=1), SMALL_IMAGES, 77_709),
    "smith2021, fig. 4: WRN-16-4, SkipInit": (WideResNetModel(depth=16, width=4), SMALL_IMAGES, 2_747_536),
    "smith2021, fig. 6": (MlpModel(hidden_widths=(4096, 4096, 4096)), FashionMnistData(), 36_818_954),
    "smith2020, fig. 1: WRN-16-4": (
        WideResNetModel(depth=16, width=4, norm="batch"),
        SMALL_IMAGES,
        2_748_890,
    ),
    "smith2020, app. C.3: WRN-28-10": (
        WideResNetModel(depth=28, width=10, norm="batch"),
        HUNDRED,
        36_536_884,
    ),
    "smith2020, app. C.3: ResNet-50": (ResNet50Model(), ImageNetData(), 25_557_032),
    "smith2020, app. C.3: autoencoder": (
        AutoencoderModel(encoder_widths=(1000, 500, 250, 30)),
        MnistData(standardize="none"),
        2_837_314,
    ),
    "smith2020, app. C.3: LSTM": (LstmModel(hidden_width=200, init_scale=0.1), PtbData(), 4_653_200),
    "lssr2022: 6CNN of 0.51 M": (
        CnnModel(channels=(32, 64, 192), convolutions_per_stage=2, norm="batch"),
        SMALL_IMAGES,
        510_826,
    ),
    "lssr2022: ResNet-9 of 2.3 M": (ResNet9Model(channels=(38, 76, 152, 304)), SMALL_IMAGES, 2_320_024),
    "lssr2022: WRN-28-2 of 1.47 M": (
        WideResNetModel(depth=28, width=2, norm="batch"),
        SMALL_IMAGES,
        1_467_610,
    ),
}


@pytest.mark.parametrize(("model", "data", "published"), KNOWN.values(), ids=KNOWN)
def test_the_count_agrees_with_what_is_known(count_parameters, model, data, published):
    assert count_parameters(model, data) == published


@pytest.fixture(scope="module")
def num_drawn():
    """Return how many parameters a network draws, each network drawn once."""
    known = {}

    def count(model, data):
        key = model, data.sample_shape, data.num_classes
        if key not in known:
            known[key] = num_parameters(build_network(model, data))
        return known[key]

    return count


def test_every_network_of_a_sweep_has_the_parameters_of_its_description(count_parameters, num_drawn, points):
    for model, data in dict.fromkeys((run.model, run.data) for run in points):
        assert num_drawn(model, data) == count_parameters(model, data)
