"""The count of multiply-adds, against torch's own counter on the networks themselves."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from sgdlab.config.datasets import Cifar10Data, DigitsData, PtbData, Stl10Data
from sgdlab.config.models import (
    AutoencoderModel,
    CnnModel,
    LstmModel,
    MlpModel,
    ResNet9Model,
    ResNet50Model,
    WideResNetModel,
)
from sgdlab.config.schema import Run
from sgdlab.models.build import build_network
from sgdlab.sweeps.multiply_adds import forward_multiply_adds, multiply_adds

MODELS = {
    "mlp": (MlpModel(hidden_widths=(7, 5)), DigitsData()),
    "cnn": (CnnModel(channels=(4, 6), convolutions_per_stage=2), DigitsData()),
    "cnn of one": (CnnModel(channels=(3,)), Cifar10Data()),
    "lstm": (LstmModel(hidden_width=7, num_layers=3, init_scale=0.1), PtbData(num_steps=4)),
    "wide resnet 10-1": (WideResNetModel(depth=10, width=1), Cifar10Data()),
    "wide resnet 16-2": (WideResNetModel(depth=16, width=2), Cifar10Data()),
    "resnet9": (ResNet9Model(channels=(3, 4, 5, 6)), Stl10Data()),
    "resnet9 without norm": (ResNet9Model(channels=(38, 76, 152, 304), norm="none"), DigitsData()),
    "resnet50": (ResNet50Model(width=2), Stl10Data()),
    "resnet50 on digits": (ResNet50Model(width=4), DigitsData()),
    "resnet50, small stem": (ResNet50Model(width=2, stem="3x3"), Cifar10Data()),
    "autoencoder": (AutoencoderModel(encoder_widths=(7, 5, 3)), DigitsData()),
}


@pytest.mark.parametrize(("model", "data"), MODELS.values(), ids=MODELS)
def test_a_forward_pass(model, data):
    network = build_network(model, data)
    parameters = network.initial_parameters(torch.Generator().manual_seed(0))
    values_of_run = {**parameters, **network.initial_buffers(1)}
    stacked = {name: values.unsqueeze(0) for name, values in values_of_run.items()}
    with FlopCounterMode(display=False) as counter:
        dtype = torch.int64 if isinstance(data, PtbData) else torch.float64
        network.logits(stacked, torch.zeros(1, 1, *data.sample_shape, dtype=dtype))
    assert 2 * forward_multiply_adds(model, data) == counter.get_total_flops()


def test_an_update_of_an_mlp_by_hand():
    base = {
        "data": {"kind": "digits"},
        "model": {"kind": "mlp", "hidden_widths": [8]},
        "loss": {"kind": "cross_entropy"},
        "regularizer": {"kind": "none"},
        "optimizer": {"lr": 0.5, "batch_size": 4},
        "schedule": {"kind": "constant"},
        "budget": {"kind": "updates", "num_updates": 1},
        "evaluation": {"kind": "updates", "every_num_updates": 1},
    }
    plain = (64 * 8 + 8 * 10) * 4 * 3  # two layers, four examples; forward, and twice as much back
    assert multiply_adds(Run.model_validate(base)) == plain
    for estimator, factor in {"exact": 3, "forward_difference": 2, "central_difference": 3}.items():
        penalty = {"kind": "gradient_norm", "strength": 1, "estimator": estimator}
        assert multiply_adds(Run.model_validate({**base, "regularizer": penalty})) == factor * plain
