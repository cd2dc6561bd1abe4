"""The arithmetic of one update, counted from the network's shapes: what packs are balanced by until measured.

Counted are the multiply-adds of linear layers and convolutions. Going back takes twice those of going
forward; the exact product H·v of a penalty as much as two gradients more.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
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
from sgdlab.config.schema import Run
from sgdlab.config.shapes import estimator_of

_PASSES = 3  # forward, back to the inputs, back to the weights
_GRADIENTS = {None: 1, "exact": 3, "forward_difference": 2, "central_difference": 3}
_KERNEL = 3 * 3
_STEM_CHANNELS = 16  # of a Wide-ResNet
_BOTTLENECKS = (3, 4, 6, 3)  # of each group of a ResNet-50


def multiply_adds(run: Run) -> int:
    """Return the multiply-adds of one update of one run."""
    num_gradients = _GRADIENTS[estimator_of(run.regularizer)]
    return num_gradients * _PASSES * run.optimizer.batch_size * forward_multiply_adds(run.model, run.data)


@lru_cache(maxsize=1024)
def forward_multiply_adds(model: Model, data: Data) -> int:
    """Return the multiply-adds of one example on its way to the logits."""
    match model:
        case MlpModel():
            widths = (math.prod(data.sample_shape), *model.hidden_widths, data.num_classes)
            return sum(num_inputs * num_outputs for num_inputs, num_outputs in pairwise(widths))
        case CnnModel():
            return _of_cnn(model, data)
        case WideResNetModel():
            return _of_wide_resnet(model, data)
        case LstmModel():
            width, gates = model.hidden_width, 4 * model.hidden_width
            of_layers = model.num_layers * (width + width) * gates  # from below, and from the word before
            return data.sample_shape[0] * (of_layers + width * data.num_classes)
        case ResNet9Model():
            return _of_resnet9(model, data)
        case ResNet50Model():
            return _of_resnet50(model, data)
        case AutoencoderModel():
            widths = (math.prod(data.sample_shape), *model.encoder_widths)
            return 2 * sum(num_inputs * num_outputs for num_inputs, num_outputs in pairwise(widths))
        case CustomModel():  # nobody knows before it is measured: as many as a linear layer
            return math.prod(data.sample_shape) * data.num_classes
        case _:
            assert_never(model)


def _of_cnn(model: CnnModel, data: Data) -> int:
    total, (num_inputs, height, width) = 0, data.sample_shape
    for num_outputs in model.channels:
        for _ in range(model.convolutions_per_stage):
            total += height * width * _KERNEL * num_inputs * num_outputs
            num_inputs = num_outputs
        height, width = height // 2, width // 2
    return total + num_inputs * data.num_classes


def _of_wide_resnet(model: WideResNetModel, data: Data) -> int:
    num_channels, height, width = data.sample_shape
    num_inputs = _STEM_CHANNELS
    total = height * width * _KERNEL * num_channels * num_inputs
    for group in range(3):
        num_outputs = _STEM_CHANNELS * 2**group * model.width
        for block in range((model.depth - 4) // 6):
            stride = 2 if group > 0 and block == 0 else 1
            height, width = math.ceil(height / stride), math.ceil(width / stride)
            total += height * width * _KERNEL * (num_inputs + num_outputs) * num_outputs
            if stride != 1 or num_inputs != num_outputs:
                total += height * width * num_inputs * num_outputs
            num_inputs = num_outputs
    return total + num_inputs * data.num_classes


def _of_resnet9(model: ResNet9Model, data: Data) -> int:
    num_inputs, height, width = data.sample_shape
    total = 0
    for stage, num_outputs in enumerate(model.channels):
        total += height * width * _KERNEL * num_inputs * num_outputs
        if stage > 0:
            height, width = height // 2, width // 2
        if stage in (1, 3):
            total += 2 * height * width * _KERNEL * num_outputs**2
        num_inputs = num_outputs
    return total + num_inputs * data.num_classes


def _of_resnet50(model: ResNet50Model, data: Data) -> int:
    num_channels, height, width = data.sample_shape
    stride, kernel = (2, 7 * 7) if model.stem == "7x7" else (1, _KERNEL)
    height, width = math.ceil(height / stride), math.ceil(width / stride)
    total = height * width * kernel * num_channels * model.width
    height, width = math.ceil(height / stride), math.ceil(width / stride)  # of the max-pool
    num_inputs = model.width
    for group, num_blocks in enumerate(_BOTTLENECKS):
        num_inner = model.width * 2**group
        num_outputs = 4 * num_inner
        for block in range(num_blocks):
            total += height * width * num_inputs * num_inner
            stride = 2 if group > 0 and block == 0 else 1
            height, width = math.ceil(height / stride), math.ceil(width / stride)
            total += height * width * (_KERNEL * num_inner + num_outputs) * num_inner
            total += height * width * num_inputs * num_outputs if block == 0 else 0
            num_inputs = num_outputs
    return total + num_inputs * data.num_classes
