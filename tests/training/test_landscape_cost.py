"""What `config.landscape` says that a measurement costs, against the passes that a training really makes.

Every pass over examples goes through one of four functions, which are counted here by the examples that they
are given. What each of them takes, in gradients, was measured by time and is written where it is defined.
"""

from collections import Counter

import pytest

from sgdlab.config.datasets import DigitsData
from sgdlab.config.landscape import METRICS, MeasuredLandscape, num_example_gradients
from sgdlab.config.models import MlpModel
from sgdlab.diagnostics.curvature.products import HessianProduct
from sgdlab.diagnostics.noise import moments
from sgdlab.diagnostics.risk import EmpiricalRisk

IN_GRADIENTS = {"value": 1 / 3, "weighted_gradient": 1, "product": 2.5, "squared_norms": 11}


@pytest.fixture
def num_examples(monkeypatch):
    """Function → examples that it went over."""
    counted = Counter()

    def count(owner, name, of, kind=None):
        function = getattr(owner, name)

        def counting(*arguments, **options):
            counted[kind or name] += of(*arguments)
            return function(*arguments, **options)

        monkeypatch.setattr(owner, name, counting)

    count(EmpiricalRisk, "value", lambda risk: risk.num_examples)
    count(EmpiricalRisk, "weighted_gradient", lambda risk, _: risk.num_examples)
    # a product where the gradient's graph was kept costs less: the reckoning is on the safe side there
    count(HessianProduct, "__call__", lambda product, _: product.risk.num_examples, "product")
    count(HessianProduct, "over", lambda _, examples, vectors: len(examples), "product")
    count(moments, "squared_norms", lambda risk: risk.num_examples)
    return counted


@pytest.mark.parametrize("quantities", [*([name] for name in METRICS), [*METRICS]], ids=" ".join)
def test_a_training_takes_as_many_gradients_as_were_reckoned(make_run, train, num_examples, quantities):
    settings = MeasuredLandscape(quantities=tuple(quantities))
    run = make_run(
        data=DigitsData(num_train=128, num_test=60),
        model=MlpModel(hidden_widths=(16, 16)),
        lr=0.1,
        batch_size=16,
        num_updates=160,
        every=40,
        landscape=settings,
    )
    train([run])
    measured = sum(IN_GRADIENTS[name] * count for name, count in num_examples.items())
    reckoned = 4 * num_example_gradients(settings, 128, 60, 16)
    # how many products an eigenpair takes is only known once it is found
    assert measured == pytest.approx(reckoned, rel=0.5 if "sharpness" in quantities else 0.02)


def test_a_full_batch_and_a_sample_are_reckoned_as_they_are(make_run, train, num_examples):
    settings = MeasuredLandscape(quantities=("step", "gap"), num_examples=20)
    train([make_run(batch_size=32, num_updates=8, every=4, landscape=settings)])
    measured = sum(IN_GRADIENTS[name] * count for name, count in num_examples.items())
    assert measured == pytest.approx(2 * num_example_gradients(settings, 32, 20, 32), rel=0.02)
