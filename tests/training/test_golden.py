"""Short runs whose results are pinned: science that changes must say so."""

import json
from pathlib import Path

import pytest

from sgdlab.config.components import (
    BernoulliLoss,
    ConstantSchedule,
    CrossEntropyLoss,
    EpochDecaySchedule,
    GradientNoiseRegularizer,
    GradientNormRegularizer,
    HoldThenDecaySchedule,
    HoldThenDecayToSchedule,
    SgdOptimizer,
)
from sgdlab.config.datasets import DigitsData, Mnist1dData, PtbData
from sgdlab.config.models import (
    AutoencoderModel,
    CnnModel,
    LstmModel,
    MlpModel,
    ResNet9Model,
    ResNet50Model,
    WideResNetModel,
)

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())
DIGITS = {"num_train": 32, "num_test": 16}
CNN = {"model": CnnModel(channels=(4, 5)), "num_updates": 6, "every": 6}
WIDE_RESNET = {"model": WideResNetModel(depth=10, width=1), "num_updates": 6, "every": 6}
SIXTEEN = {"data": DigitsData(**DIGITS), "batch_size": 16}
RESNET9 = {"model": ResNet9Model(channels=(4, 6, 8, 8), ghost_size=8), "num_updates": 2, "every": 2}
RESNET50 = {"model": ResNet50Model(width=4, stem="3x3", ghost_size=8), "num_updates": 1, "every": 1}
AUTOENCODER = {"model": AutoencoderModel(encoder_widths=(9, 4)), "loss": BernoulliLoss()}

# What is run, and the component whose results it pins; everything else is as in `mlp relu`.
RUNS = {
    "mlp relu": (MlpModel, {}),
    "mlp tanh": (MlpModel, {"model": MlpModel(hidden_widths=(7, 10), activation="tanh")}),
    "mlp gelu": (MlpModel, {"model": MlpModel(hidden_widths=(7, 10), activation="gelu")}),
    "wide_resnet": (WideResNetModel, {"data": DigitsData(**DIGITS), **WIDE_RESNET}),
    "cnn": (
        CnnModel,
        {"data": DigitsData(**DIGITS), "model": CnnModel(channels=(4, 5)), "num_updates": 6, "every": 6},
    ),
    "lstm": (
        LstmModel,
        {
            "data": PtbData(num_steps=3, num_train=32, num_test=16),
            "model": LstmModel(hidden_width=4, dropout=0.25, init_scale=0.3),
            "order": "sequential",
            "lr": 1.0,
        },
    ),
    "resnet9": (ResNet9Model, {**SIXTEEN, **RESNET9, "lr": 2**-10}),
    "resnet50": (ResNet50Model, {**SIXTEEN, **RESNET50, "lr": 2**-20}),  # rounding grows fast in it
    "autoencoder": (AutoencoderModel, {"data": DigitsData(**DIGITS, standardize="none"), **AUTOENCODER}),
    "data signal": (Mnist1dData, {"data": Mnist1dData(num_train=32, num_test=20, standardize="dataset")}),
    "data signal cropped": (Mnist1dData, {"data": Mnist1dData(num_train=32, num_test=20, crop_padding=2)}),
    "data image": (DigitsData, {"data": DigitsData(**DIGITS)}),
    "data image per_image": (DigitsData, {"data": DigitsData(**DIGITS, standardize="per_image")}),
    "data image augmented": (DigitsData, {"data": DigitsData(**DIGITS, crop_padding=1, flip=True)}),
    "loss l2": (CrossEntropyLoss, {"l2": 0.05}),
    "penalty exact": (GradientNormRegularizer, {"strength": 0.5}),
    "penalty exact l2": (GradientNormRegularizer, {"strength": 0.5, "l2": 0.05}),
    "penalty exact wide_resnet": (
        GradientNormRegularizer,
        {"data": DigitsData(**DIGITS), "strength": 0.1, **WIDE_RESNET},
    ),
    "penalty forward": (GradientNormRegularizer, {"strength": 0.5, "estimator": "forward_difference"}),
    "penalty central": (GradientNormRegularizer, {"strength": 0.5, "estimator": "central_difference"}),
    "penalty micro-batches": (
        GradientNormRegularizer,
        {"strength": 0.5, "batch_size": 8, "micro_batch_size": 2},
    ),
    "penalty noise": (
        GradientNoiseRegularizer,
        {"strength": 0.5, "batch_size": 8, "penalty": "gradient_noise", "micro_batch_size": 2, "l2": 0.05},
    ),
    "order independent": (SgdOptimizer, {"order": "independent"}),
    "order with_replacement": (SgdOptimizer, {"order": "with_replacement"}),
    "order fixed": (SgdOptimizer, {"order": "fixed"}),
    "order forward_reverse": (SgdOptimizer, {"order": "forward_reverse"}),
    "order shuffled carry": (SgdOptimizer, {"remainder": "carry"}),
    "n-step": (SgdOptimizer, {"inner_steps": 3}),
    "schedule constant": (ConstantSchedule, {"seed": 1}),
    "schedule epoch_decay": (EpochDecaySchedule, {"schedule": EpochDecaySchedule(hold_num_epochs=2)}),
    "schedule hold_then_decay": (HoldThenDecaySchedule, {"schedule": HoldThenDecaySchedule(num_drops=4)}),
    "schedule hold_then_decay_to": (
        HoldThenDecayToSchedule,
        {"schedule": HoldThenDecayToSchedule(final_lr=2**-7, num_drops=5)},
    ),
}
METRICS = ("train_loss.final", "test_loss.final", "c_reg.final", "gradient_norm_sq.final")
FORGIVEN = 1e-9  # relative: kernels of other processors round otherwise, and 40 updates amplify it


@pytest.mark.parametrize("name", RUNS)
def test_results_are_what_they_were(make_run, train, name) -> None:
    component, options = RUNS[name]
    (run,) = train([make_run(**options)], statistics="end").runs
    ours = {metric: run.summary[metric] for metric in METRICS}
    assert ours == pytest.approx(GOLDEN[name], rel=FORGIVEN), (
        f"{name}: results have changed, and stored ones are of the old kind. If that is what you want, raise "
        f"`revision` of {component.__name__} in config/components.py, so that every run with that component "
        f"gets a new key, and pin the new results in tests/training/golden.json."
    )


def test_each_pinned_result_differs_from_the_others() -> None:
    """A run that pins nothing of its own would equal another."""
    assert GOLDEN.keys() == RUNS.keys()
    losses = [pinned["train_loss.final"] for pinned in GOLDEN.values()]
    assert len({round(loss, 6) for loss in losses}) >= len(losses) - 2  # the two differences are alike


def test_every_scientific_component_is_pinned() -> None:
    from sgdlab.config import components

    revised = {c for c in vars(components).values() if isinstance(c, type) and "revision" in vars(c)}
    private = {c for c in revised if c.__name__.startswith("_")}
    # the readers of the other data sets have their own tests; without a regularizer there is nothing to pin
    assert {c.__name__ for c in revised - private} - {c.__name__ for c, _ in RUNS.values()} == {
        "NoRegularizer"
    }
