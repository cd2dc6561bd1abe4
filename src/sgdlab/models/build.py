"""From the configuration of a model to the network."""

from __future__ import annotations

import math
from typing import assert_never

from sgdlab.config.datasets import Data
from sgdlab.config.models import (
    AutoencoderModel,
    CnnModel,
    CustomModel,
    LstmModel,
    MlpModel,
    Model,
    ResNet9Model,
    ResNet50Model,
    WideResNetModel,
)
from sgdlab.models.autoencoder import Autoencoder
from sgdlab.models.cnn import Cnn
from sgdlab.models.custom import build_custom
from sgdlab.models.lstm import Lstm
from sgdlab.models.mlp import Mlp
from sgdlab.models.network import Network
from sgdlab.models.resnet9 import ResNet9
from sgdlab.models.resnet50 import ResNet50
from sgdlab.models.wide_resnet import WideResNet


def build_network(model: Model, data: Data) -> Network:
    """Build the network that `model` describes for inputs and classes of `data`."""
    match model:
        case MlpModel():
            num_inputs = math.prod(data.sample_shape)
            return Mlp((num_inputs, *model.hidden_widths, data.num_classes), model.activation)
        case CnnModel():
            return Cnn(
                model.channels,
                model.convolutions_per_stage,
                data.sample_shape[0],
                data.num_classes,
                has_norm=model.norm == "batch",
                ghost_size=model.ghost_size,
            )
        case WideResNetModel():
            return WideResNet(
                model.depth,
                model.width,
                data.sample_shape[0],
                data.num_classes,
                has_norm=model.norm == "batch",
                ghost_size=model.ghost_size,
                dropout=model.dropout,
            )
        case LstmModel():
            return Lstm(
                data.num_classes,
                data.sample_shape[0],
                model.hidden_width,
                model.num_layers,
                model.dropout,
                model.init_scale,
            )
        case ResNet9Model():
            return ResNet9(
                model.channels,
                data.sample_shape[0],
                data.num_classes,
                has_norm=model.norm == "batch",
                ghost_size=model.ghost_size,
            )
        case ResNet50Model():
            return ResNet50(
                data.sample_shape[0],
                data.num_classes,
                width=model.width,
                stem=model.stem,
                ghost_size=model.ghost_size,
            )
        case AutoencoderModel():
            return Autoencoder((math.prod(data.sample_shape), *model.encoder_widths))
        case CustomModel():
            return build_custom(model, data)
        case _:
            assert_never(model)
