"""A run's landscape, measured again on its final parameters with dense matrices and plain loops."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call

from sgdlab.config.components import HoldThenDecaySchedule
from sgdlab.config.datasets import DigitsData
from sgdlab.config.landscape import METRICS, MeasuredLandscape
from sgdlab.config.models import CnnModel, MlpModel

SMOOTH = MlpModel(hidden_widths=(3,), activation="tanh")
EVERYTHING = tuple(METRICS)


def landscape(*quantities, **options):
    return MeasuredLandscape(quantities=quantities, **options)


class Plain:
    """The costs of one trained run as functions of all its parameters in a row."""

    def __init__(self, network, dataset, l2):
        self.network, self.l2 = network, l2
        self.train = dataset.train_inputs.double(), dataset.train_labels
        self.test = dataset.test_inputs.double(), dataset.test_labels
        self.point = torch.cat([p.detach().flatten() for p in network.parameters()])

    def loss(self, rows, data):
        named, start = {}, 0
        for name, parameter in self.network.named_parameters():
            named[name] = rows[start : start + parameter.numel()].view_as(parameter)
            start += parameter.numel()
        inputs, labels = data
        return F.cross_entropy(functional_call(self.network, named, (inputs,)), labels)

    def cost(self, rows, examples=slice(None)):
        inputs, labels = self.train
        return self.loss(rows, (inputs[examples], labels[examples])) + self.l2 / 2 * rows.square().sum()

    def gradient(self, function, *arguments):
        return torch.autograd.functional.jacobian(lambda rows: function(rows, *arguments), self.point)


def expected_of(plain, rate, batch_size):
    """Everything that needs no estimate, by its definition."""
    hessian = torch.autograd.functional.hessian(plain.cost, plain.point)
    values, vectors = torch.linalg.eigh(hessian)
    mean = plain.gradient(plain.cost)
    each = torch.stack([plain.gradient(plain.cost, slice(i, i + 1)) for i in range(32)])
    length_sq, noise = mean.square().sum(), (each - mean).square().sum(dim=1).mean()
    share = (32 - batch_size) / 31 / batch_size
    second = length_sq + share * noise
    sharpness = mean @ hessian @ mean / length_sq
    train, test = plain.gradient(plain.loss, plain.train), plain.gradient(plain.loss, plain.test)
    moved = plain.point - rate * mean

    def gap(rows):
        return plain.loss(rows, plain.test) - plain.loss(rows, plain.train)

    expected = {
        "mean_gradient_sq": length_sq,
        "noise_trace": noise,
        "batch_gradient_sq": second,
        "concentration": length_sq / second,
        "sharpness": values[-1],
        "alignment": (vectors[:, -1] @ mean).abs() / length_sq.sqrt(),
        "gradient_sharpness": sharpness,
        "relative_sharpness": rate / 2 * values[-1],
        "relative_gradient_sharpness": rate / 2 * sharpness,
        "gap_statistic": rate * mean @ (train - test),
        "gap_statistic_printed": rate * noise / 32 - rate * mean @ (train - test),
        "gap_change": gap(moved) - gap(plain.point),
        "own_loss_change_expected": -rate * second,
        "test_loss_change_expected": -rate * mean @ test,
        "loss_change_expected": -rate * length_sq,
    }
    for percent in (25, 50, 75, 100, 125):
        there = plain.point - percent / 100 * rate * mean
        hessian_there = torch.autograd.functional.hessian(plain.cost, there)
        expected[f"valley_sharpness_{percent}"] = mean @ hessian_there @ mean / length_sq / sharpness
        expected[f"valley_loss_{percent}"] = plain.cost(there) - plain.cost(plain.point)
    exact = {
        "interaction": share * torch.einsum("ni,ij,nj->n", each, hessian, each).mean()
        + (1 - share) * mean @ hessian @ mean
    }
    changes, own, of_test = [], [], []
    generator = torch.Generator().manual_seed(1)
    for _ in range(4000):
        batch = torch.randperm(32, generator=generator)[:batch_size]
        there = plain.point - rate * each[batch].mean(dim=0)
        changes.append(plain.cost(there))
        own.append(plain.cost(there, batch) - plain.cost(plain.point, batch))
        of_test.append(plain.loss(there, plain.test))
    exact["loss_change"] = torch.stack(changes).mean() - plain.cost(plain.point)
    exact["own_loss_change"] = torch.stack(own).mean()
    exact["test_loss_change"] = torch.stack(of_test).mean() - plain.loss(plain.point, plain.test)
    return expected, exact


def test_everything_is_what_its_definition_says(make_run, make_dataset, train, plain_network):
    run = make_run(
        model=SMOOTH, num_updates=12, every=4, l2=0.1, landscape=landscape(*EVERYTHING, tolerance=1e-8)
    )
    (trained,) = train([run]).runs
    plain = Plain(plain_network(run, trained.parameters), make_dataset(run.data), 0.1)
    expected, exact = expected_of(plain, run.optimizer.lr, 5)
    for name, value in expected.items():
        np.testing.assert_allclose(trained.summary[f"{name}.final"], value.item(), rtol=1e-6, err_msg=name)
    summary = {name.removesuffix(".final"): value for name, value in trained.summary.items()}
    for name, value in exact.items():
        assert abs(summary[name] - value.item()) < 4 * summary[f"{name}_se"], name
    second = summary["batch_gradient_sq"]
    assert summary["batch_sharpness"] == pytest.approx(summary["interaction"] / second)
    rate, length_sq = run.optimizer.lr, summary["mean_gradient_sq"]
    assert summary["instability"] == pytest.approx(rate / 2 * summary["interaction"] / length_sq)
    assert summary["relative_loss_change"] == pytest.approx(summary["loss_change"] / (rate * length_sq))
    assert summary["sharpness_residual"] < 1e-8 * summary["sharpness"]
    assert trained.curves["updates"].tolist() == [4, 8, 12]
    assert all(len(trained.curves[name]) == 3 for names in METRICS.values() for name in names)


def test_a_pack_is_measured_as_each_run_alone(make_run, train):
    runs = [
        make_run(seed=seed, lr=lr, l2=l2, every=10, landscape=landscape(*EVERYTHING))
        for seed, lr, l2 in ((0, 2**-4, 0.0), (1, 2**-2, 0.1), (2, 2**-6, 0.01))
    ]
    together = train(runs).runs
    for run, packed in zip(runs, together, strict=True):
        (alone,) = train([run]).runs
        for names in METRICS.values():
            for name in names:
                np.testing.assert_allclose(packed.curves[name], alone.curves[name], rtol=1e-9, err_msg=name)


def test_a_convolutional_network_is_measured_too(make_run, train):
    """Along a short step its loss follows from its gradient and its directional sharpness."""
    run = make_run(
        data=DigitsData(num_train=32, num_test=10),
        model=CnnModel(channels=(2, 3)),
        num_updates=4,
        every=4,
        landscape=landscape(*EVERYTHING),
    )
    packed = train([run, run.model_copy(update={"seed": 1})]).runs
    for one in packed:
        names = [name for quantity in METRICS.values() for name in quantity]
        assert all(np.isfinite(one.summary[f"{name}.final"]) for name in names)
        assert one.summary["noise_trace.final"] > 0
        assert one.summary["gradient_sharpness.final"] <= one.summary["sharpness.final"] * (1 + 1e-3)
        change = one.summary["valley_loss_25.final"]
        length = 2**-4 / 4
        expected = one.summary["mean_gradient_sq.final"] * (
            -length + length**2 / 2 * one.summary["gradient_sharpness.final"]
        )
        assert change == pytest.approx(expected, rel=0.05)


def test_measuring_changes_nothing_of_the_training(make_run, train):
    (measured,) = train([make_run(every=10, landscape=landscape(*EVERYTHING))]).runs
    (plain,) = train([make_run(every=10)]).runs
    assert all(torch.equal(measured.parameters[name], plain.parameters[name]) for name in plain.parameters)
    assert not set(plain.curves) & {name for names in METRICS.values() for name in names}


def test_the_rate_is_that_of_the_next_update(make_run, train):
    schedule = HoldThenDecaySchedule(hold_fraction=0.5, num_drops=1, factor=4.0)
    (trained,) = train([make_run(every=10, schedule=schedule, landscape=landscape("sharpness"))]).runs
    rates = 2 * trained.curves["relative_sharpness"] / trained.curves["sharpness"]
    np.testing.assert_allclose(rates, [2**-4, 2**-6, 2**-6, 2**-6])


def test_a_sample_is_the_first_examples(make_run, train):
    with_all, with_some = (
        train([make_run(landscape=landscape("noise", num_examples=num))]).runs[0] for num in (None, 10)
    )
    assert with_all.summary["noise_trace.final"] != with_some.summary["noise_trace.final"]
    (full_batch,) = train([make_run(landscape=landscape("noise", num_examples=3))]).runs
    assert full_batch.summary["concentration.final"] == 1  # a batch of 5 of 3 examples is all of them


def test_a_resumed_run_goes_on_from_the_eigenpairs_that_it_had(make_run, train, checkpoints):
    """A cold start would agree to the tolerance only; the bits are those of the run that wasn't stopped."""
    run = make_run(every=4, landscape=landscape("sharpness", tolerance=0.05))
    (whole,) = train([run]).runs
    assert train([run], stop_after=18, checkpoints=checkpoints) is None
    (resumed,) = train([run], resume_from=checkpoints.latest).runs
    assert 0 < resumed.num_updates < 40
    np.testing.assert_array_equal(resumed.curves["sharpness"], whole.curves["sharpness"])


def test_what_is_not_finite_is_so_for_that_run_alone(make_run, train):
    fine = make_run(every=20, landscape=landscape("noise", "sharpness"))
    wild = make_run(seed=1, lr=1e120, every=1, landscape=landscape("noise", "sharpness"))
    trained = {one.state: one for one in train([fine, wild]).runs}
    (alone,) = train([fine]).runs
    np.testing.assert_allclose(trained["done"].curves["sharpness"], alone.curves["sharpness"], rtol=1e-9)
    assert trained["diverged"].diverged_at is not None
