"""The papers' networks, at their full size, on random data of the right shapes: a few updates each."""

import numpy as np
import pytest

from sgdlab.config.datasets import Cifar10Data, FashionMnistData
from sgdlab.config.models import MlpModel, WideResNetModel

WIDE_RESNET_ON_CIFAR10 = {
    "data": Cifar10Data(num_train=64, num_test=32, crop_padding=4, flip=True),
    "model": WideResNetModel(depth=10, width=1),
    "batch_size": 32,
    "l2": 5e-4,
}
MLP_ON_FASHION_MNIST = {
    "data": FashionMnistData(num_train=64, num_test=32, standardize="per_image"),
    "model": MlpModel(hidden_widths=(4096, 4096, 4096)),
    "batch_size": 16,
}


@pytest.mark.parametrize("strength", [None, 2**-6])
@pytest.mark.parametrize(
    "setting",
    [
        pytest.param(WIDE_RESNET_ON_CIFAR10, id="wide_resnet"),
        pytest.param(MLP_ON_FASHION_MNIST, id="mlp", marks=pytest.mark.slow),  # 36,818,954 parameters
    ],
)
def test_a_few_updates_at_paper_scale(make_run, make_population, setting, strength) -> None:
    run = make_run(**setting, lr=2**-6, strength=strength, num_updates=2, every=2, precision="float32")
    population = make_population([run])
    losses = []
    backend = population.backend

    class Watched:
        def advance(self, *arguments):
            made = backend.advance(*arguments)
            losses.extend(made.flatten().tolist())
            return made

    population.backend = Watched()
    (member,) = population.members
    while not member.has_ended:
        population._advance()
    population._evaluate()
    assert member.update == 2
    assert len(losses) == 2
    assert abs(losses[0] - np.log(10)) < 1.5  # an untrained network of ten classes
    curves = member.recorder.curves(None)
    assert np.isfinite(curves["train_loss"]).all()
    assert all(p.isfinite().all() for p in population.stacked)
