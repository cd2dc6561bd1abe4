"""What the components of a run must agree on: each is valid by itself when these rules are applied."""

from __future__ import annotations

from sgdlab.config.components import (
    BernoulliLoss,
    CrossEntropyLoss,
    GradientNormRegularizer,
    Loss,
    NoRegularizer,
    Regularizer,
    SgdOptimizer,
    SquaredErrorLoss,
)
from sgdlab.config.datasets import Data, ImageNetData, PtbData
from sgdlab.config.landscape import Landscape, MeasuredLandscape, NoLandscape
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

ConvModel = WideResNetModel | CnnModel | ResNet9Model | ResNet50Model
"""Networks that can have batch normalisation, in ghosts; ResNet-50 always has it."""


def check_across_components(
    data: Data,
    model: Model,
    loss: Loss,
    regularizer: Regularizer,
    optimizer: SgdOptimizer,
    landscape: Landscape,
) -> None:
    """Refuse components that don't go together.

    Raises
    ------
    ValueError
        With one sentence: what was set, and what it would take.
    """
    _check_batches(optimizer, data)
    _check_landscape(landscape, data)
    _check_inputs(model, data)
    _check_loss(loss, model, data)
    if not isinstance(regularizer, NoRegularizer) and regularizer.micro_batch_size is not None:
        _check_micro_batches(regularizer.micro_batch_size, regularizer, model, optimizer)
    if isinstance(model, WideResNetModel):
        _check_depth(model)
    if isinstance(model, ConvModel):
        _check_ghosts(model, optimizer.batch_size)
    if isinstance(model, LstmModel):
        _check_lstm(optimizer, loss, landscape)


def _check_batches(optimizer: SgdOptimizer, data: Data) -> None:
    num_train = data.num_train
    if optimizer.batch_size > num_train:
        raise ValueError(
            f"optimizer.batch_size={optimizer.batch_size} is larger than data.num_train={num_train}"
        )
    is_ordered = optimizer.order in ("fixed", "forward_reverse", "sequential")
    if is_ordered and optimizer.remainder == "carry" and num_train % optimizer.batch_size:
        raise ValueError(
            f"optimizer.order={optimizer.order} visits the same batches each epoch, so "
            f"optimizer.remainder=carry needs data.num_train={num_train} to be a multiple of "
            f"optimizer.batch_size={optimizer.batch_size}; use optimizer.remainder=drop"
        )


def _check_landscape(landscape: Landscape, data: Data) -> None:
    if isinstance(landscape, MeasuredLandscape) and (landscape.num_examples or 0) > data.num_train:
        raise ValueError(
            f"landscape.num_examples={landscape.num_examples} is more than data.num_train={data.num_train}"
        )
    if isinstance(data, ImageNetData) and not isinstance(landscape, NoLandscape):
        raise ValueError(
            f"landscape={landscape.kind} goes through the examples again and again, and those of "
            f"data={data.kind} are not held in memory; use landscape=none"
        )


def _check_inputs(model: Model, data: Data) -> None:
    is_image, is_text = len(data.sample_shape) == 3, isinstance(data, PtbData)
    if not is_image and not isinstance(data, PtbData) and data.flip:
        raise ValueError(f"data.flip mirrors images, and {data.kind} has none")
    if isinstance(model, MlpModel) and is_text:
        raise ValueError(f"model=mlp needs images or signals, and data={data.kind} has neither")
    if isinstance(model, LstmModel) and not is_text:
        raise ValueError(f"model=lstm reads words, and data={data.kind} has none; use data=ptb")
    needs_images = WideResNetModel | CnnModel | ResNet9Model | ResNet50Model | AutoencoderModel
    if isinstance(model, needs_images) and not is_image:
        raise ValueError(f"model={model.kind} needs images, and data={data.kind} has none")
    if isinstance(model, CnnModel) and min(data.sample_shape[1:]) < 2 ** len(model.channels):
        raise ValueError(
            f"model.channels has {len(model.channels)} stages, each of which halves an image, "
            f"and those of {data.kind} are only {data.sample_shape[1]}×{data.sample_shape[2]}"
        )


def _check_loss(loss: Loss, model: Model, data: Data) -> None:
    """Only an autoencoder gives back its inputs; the other losses look at labels."""
    gives_back = isinstance(model, AutoencoderModel)
    if isinstance(loss, BernoulliLoss) and not (gives_back or isinstance(model, CustomModel)):
        raise ValueError(f"loss=bernoulli needs model=autoencoder, and this is model={model.kind}")
    if gives_back and not isinstance(loss, BernoulliLoss):
        raise ValueError(f"model=autoencoder needs loss=bernoulli, and this is loss={loss.kind}")
    if isinstance(loss, SquaredErrorLoss) and isinstance(data, PtbData):
        raise ValueError(f"loss=squared_error has no form for the words of data={data.kind}")
    standardize = getattr(data, "standardize", "none")
    if isinstance(loss, BernoulliLoss) and standardize != "none":
        raise ValueError(
            f"loss=bernoulli needs pixels in [0, 1]: data.standardize=none, and this is {standardize}"
        )


def _check_micro_batches(size: int, regularizer: Regularizer, model: Model, optimizer: SgdOptimizer) -> None:
    """A minibatch's cost must be the mean of its micro-batches', and the penalty exact."""
    given = f"regularizer.micro_batch_size={size}"
    if optimizer.batch_size % size:
        raise ValueError(f"{given} must divide optimizer.batch_size={optimizer.batch_size}")
    if isinstance(regularizer, GradientNormRegularizer) and regularizer.estimator != "exact":
        raise ValueError(
            f"{given} has no finite differences; use regularizer.estimator=exact, "
            f"and this is {regularizer.estimator}"
        )
    if isinstance(model, LstmModel):
        raise ValueError(f"{given} takes examples apart, and model=lstm reads on from minibatch to minibatch")
    if not isinstance(model, ConvModel) or not (isinstance(model, ResNet50Model) or model.norm == "batch"):
        return
    if model.ghost_size is None or size % model.ghost_size:
        raise ValueError(
            f"{given} must be a multiple of model.ghost_size, so that batch normalisation sees the same "
            f"examples together; this is {model.ghost_size}"
        )


def _check_depth(model: WideResNetModel) -> None:
    if (model.depth - 4) % 6:
        raise ValueError(f"model.depth={model.depth} must be 6k+4: 10, 16, 22, 28, …")


def _check_ghosts(model: ConvModel, batch_size: int) -> None:
    if model.ghost_size is None:
        return
    if not isinstance(model, ResNet50Model) and model.norm != "batch":
        raise ValueError(f"model.ghost_size={model.ghost_size} is for model.norm=batch; this is {model.norm}")
    if batch_size > model.ghost_size and batch_size % model.ghost_size:
        raise ValueError(
            f"optimizer.batch_size={batch_size} must be a multiple of model.ghost_size={model.ghost_size}"
        )


def _check_lstm(optimizer: SgdOptimizer, loss: Loss, landscape: Landscape) -> None:
    if optimizer.order != "sequential":
        raise ValueError(
            f"model=lstm goes on reading where its last minibatch ended, which optimizer.order="
            f"{optimizer.order} doesn't; use optimizer.order=sequential"
        )
    if optimizer.inner_steps > 1:
        raise ValueError(
            f"optimizer.inner_steps={optimizer.inner_steps} reads a minibatch again, and model=lstm has read "
            f"on by then; use optimizer.inner_steps=1"
        )
    if not isinstance(loss, CrossEntropyLoss):
        raise ValueError(f"model=lstm predicts words, so loss={loss.kind} doesn't fit; use cross_entropy")
    if not isinstance(landscape, NoLandscape):
        raise ValueError(
            f"landscape={landscape.kind} takes every example by itself, and what model=lstm makes of one "
            f"depends on those before it; use landscape=none"
        )
