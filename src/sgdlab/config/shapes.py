"""What runs have in common: those of one shape can be trained together, those of one step cost the same."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any, assert_never

from sgdlab.config.components import (
    GradientNoiseRegularizer,
    GradientNormRegularizer,
    NoRegularizer,
    Regularizer,
)
from sgdlab.config.datasets import Data
from sgdlab.config.identity import canonical_json
from sgdlab.config.landscape import NoLandscape
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


def shape_of(run: Run) -> str:
    """Return a short name of what all runs of a pack share."""
    optimizer, regularizer = run.optimizer, run.regularizer
    return _shape(
        run.precision,
        run.data,
        run.model,
        run.loss.kind,
        (optimizer.kind, optimizer.batch_size, optimizer.inner_steps, optimizer.order, optimizer.remainder),
        (regularizer.kind, estimator_of(regularizer)),
        *_landscape_of(run),
        *_descent_of(run),
        *_micro_batches_of(regularizer),
    )


def part_of(run: Run, examples_per_pass: int | None) -> int | None:
    """Return how many examples of a minibatch are computed at a time; None: all of them."""
    is_split = examples_per_pass is not None and examples_per_pass < run.optimizer.batch_size
    return examples_per_pass if is_split else None


def step_of(run: Run, examples_per_pass: int | None = None) -> str:
    """Name the work of one update, in full; what the data hold and the budget are no part of it."""
    optimizer, data, estimator = run.optimizer, run.data, estimator_of(run.regularizer)
    part, descent = part_of(run, examples_per_pass), _descent_of(run)
    micro_batches = _micro_batches_of(run.regularizer)
    return _step(
        run.precision,
        data,
        run.model,
        run.loss.kind,
        optimizer.batch_size,
        estimator,
        descent,
        part,
        micro_batches,
    )


def estimator_of(regularizer: Regularizer) -> str | None:
    """Return how the penalty's gradient is computed; None where there is no penalty."""
    if isinstance(regularizer, GradientNoiseRegularizer):
        return "exact"
    return regularizer.estimator if isinstance(regularizer, GradientNormRegularizer) else None


def micro_batch_size_of(regularizer: Regularizer) -> int | None:
    """Return the examples of each micro-batch that a penalty is of; None: it is of whole minibatches."""
    return None if isinstance(regularizer, NoRegularizer) else regularizer.micro_batch_size


def describe_step(run: Run) -> str:
    """Name the step for people, short: ``mlp 64-64-64 · mnist1d · B=16 · exact penalty``."""
    model, data, optimizer = run.model, run.data, run.optimizer
    match model:
        case MlpModel():
            network = f"mlp {'-'.join(map(str, model.hidden_widths))}"
            network += "" if model.activation == "relu" else f" {model.activation}"
        case CnnModel():
            network = f"cnn {'-'.join(map(str, model.channels))}"
            network += f" ×{model.convolutions_per_stage}" if model.convolutions_per_stage > 1 else ""
            network += _describe_norm(model.norm, model.ghost_size)
        case WideResNetModel():
            network = f"wide resnet {model.depth}-{model.width}"
            network += _describe_norm(model.norm, model.ghost_size)
        case ResNet9Model():
            network = f"resnet9 {'-'.join(map(str, model.channels))}"
            network += _describe_norm(model.norm, model.ghost_size)
        case ResNet50Model():
            network = "resnet50" if model.width == 64 else f"resnet50 of width {model.width}"
            network += "" if model.stem == "7x7" else f" {model.stem} stem"
            network += _describe_norm("batch", model.ghost_size)
        case AutoencoderModel():
            network = f"autoencoder {'-'.join(map(str, model.encoder_widths))}"
        case CustomModel():
            options = [f"{name}={value}" for name, value in model.options.items()]
            network = " ".join([model.network.rpartition(":")[2], *options])
        case LstmModel():
            network = f"lstm {model.num_layers}×{model.hidden_width} over {data.sample_shape[0]} steps"
            network += " dropout" if model.dropout else ""
        case _:
            assert_never(model)
    parts = [network, data.kind, f"B={optimizer.batch_size}"]
    parts += ["augmented"] if data.is_augmented else []
    estimator = estimator_of(run.regularizer)
    parts += [f"{estimator.replace('_', ' ')} penalty"] if estimator else []
    parts += list(_micro_batches_of(run.regularizer))
    parts += list(_descent_of(run))
    parts += [run.precision] if run.precision != "float32" else []
    return " · ".join(parts)


def _describe_norm(norm: str, ghost_size: int | None) -> str:
    in_ghosts = f" in ghosts of {ghost_size}" if ghost_size else ""
    return f" batch norm{in_ghosts}" if norm == "batch" else ""


def _descent_of(run: Run) -> tuple[str, ...]:
    """Runs with momentum carry velocities, those that clip a norm; others are named as they always were."""
    optimizer = run.optimizer
    with_momentum = ("momentum",) if optimizer.momentum else ()
    return (*with_momentum, "clipped") if optimizer.clip_norm else with_momentum


def _micro_batches_of(regularizer: Regularizer) -> tuple[str, ...]:
    """Runs whose penalty is of micro-batches differ by it; others are named as they always were."""
    size = micro_batch_size_of(regularizer)
    return () if size is None else (f"{regularizer.kind.replace('_', ' ')} of micro-batches of {size}",)


def _landscape_of(run: Run) -> tuple[Any, ...]:
    """Runs are measured together or not at all; a shape without is named as it always was."""
    if isinstance(run.landscape, NoLandscape):
        return ()
    return (canonical_json(run.landscape.model_dump(mode="json")),)


@lru_cache(maxsize=4096)
def _step(
    precision: str,
    data: Data,
    model: Model,
    loss: str,
    batch_size: int,
    estimator: str | None,
    descent: tuple[str, ...],
    part: int | None,
    micro_batches: tuple[str, ...],
) -> str:
    parts = {
        "model": model.model_dump(mode="json"),
        "sample_shape": data.sample_shape,
        "classes": data.num_classes,
        "augmentation": list(data.preparation),
        "loss": loss,
        "penalty": estimator,
        "batch_size": batch_size,
        "precision": precision,
    }
    parts |= {"descent": descent} if descent else {}
    parts |= {"micro_batches": micro_batches} if micro_batches else {}
    return canonical_json(parts | ({"examples_per_pass": part} if part else {}))


@lru_cache(maxsize=4096)
def _shape(precision: str, data: Data, model: Model, *rest: Any) -> str:
    parts = [component.model_dump(mode="json") for component in (data, model)]
    return hashlib.sha256(canonical_json([precision, *parts, *rest]).encode()).hexdigest()[:12]
