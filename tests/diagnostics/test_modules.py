"""Any torch model as a risk: what it measures, what it refuses, and that it leaves no trace."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from sgdlab.diagnostics.curvature.eigenpairs import top_eigenpairs
from sgdlab.diagnostics.curvature.interaction import interaction
from sgdlab.diagnostics.curvature.products import GaussNewtonProduct, HessianProduct
from sgdlab.diagnostics.curvature.spectral_density import spectral_density
from sgdlab.diagnostics.curvature.step import mean_loss_change
from sgdlab.diagnostics.curvature.trace import trace
from sgdlab.diagnostics.modules import risk_of_module
from sgdlab.diagnostics.noise.moments import gradient_moments
from sgdlab.errors import UserError

CROSS_ENTROPY = nn.CrossEntropyLoss(reduction="none")


def rows(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def with_state():
    """A model whose layers keep statistics and draw masks, and its data."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 3))
    return model.double(), rows(24, 4), torch.arange(24) % 3


def test_value_and_gradient_are_those_of_backward(small):
    risk = small.risk(chunk_size=7)
    loss = small.loss_at(small.point.requires_grad_())
    assert risk.value().item() == pytest.approx(loss.item(), rel=1e-14)
    (expected,) = torch.autograd.grad(small.loss_at(w := small.point.requires_grad_()), w)
    torch.testing.assert_close(risk.gradient()[0], expected)


def test_weights_weigh_the_examples(small):
    weights = rows(1, 23)
    found = small.risk(chunk_size=5).weighted_gradient(weights)
    torch.testing.assert_close(found[0], weights[0] @ small.example_gradients())


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_measuring_leaves_no_trace(with_state, mode):
    model, inputs, labels = with_state
    model.train()
    model[3].eval()  # as somebody may have frozen one layer
    before = {name: value.clone() for name, value in model.state_dict().items()}
    generator = torch.get_rng_state()
    risk = risk_of_module(
        model, CROSS_ENTROPY, inputs, labels, mode=mode, ghost_batch_size=8 if mode == "train" else None
    )
    risk.gradient()
    trace(HessianProduct(risk))
    GaussNewtonProduct(risk)(torch.ones(1, risk.num_parameters, dtype=torch.float64))
    assert torch.equal(torch.get_rng_state(), generator)
    assert [layer.training for layer in model] == [True, True, True, False, True]
    assert all(p.grad is None for p in model.parameters())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_dropout_is_one_fixed_function_in_each_pass(with_state):
    model, inputs, labels = with_state
    model[1] = nn.Identity()
    risk = risk_of_module(model, CROSS_ENTROPY, inputs, labels, mode="train", chunk_size=8)
    assert torch.equal(risk.gradient(), risk.gradient())
    left, right = (rows(1, risk.num_parameters, seed=seed) for seed in (1, 2))
    product = HessianProduct(risk)
    assert (left * product(right)).sum().item() == pytest.approx((right * product(left)).sum().item())


def test_running_statistics_make_each_example_independent(with_state):
    model, inputs, labels = with_state
    whole = risk_of_module(model, CROSS_ENTROPY, inputs, labels)
    torch.testing.assert_close(
        whole.gradient(), risk_of_module(model, CROSS_ENTROPY, inputs, labels, chunk_size=5).gradient()
    )
    model.eval()
    assert whole.value().item() == pytest.approx(CROSS_ENTROPY(model(inputs), labels).mean().item())


def test_a_ghost_batch_takes_the_examples_place(with_state):
    model, inputs, labels = with_state
    model[3] = nn.Identity()
    risk = risk_of_module(model, CROSS_ENTROPY, inputs, labels, mode="train", ghost_batch_size=8)
    assert risk.num_examples == 3
    model.train()
    expected = [
        CROSS_ENTROPY(model(x), y).mean().item()
        for x, y in zip(inputs.split(8), labels.split(8), strict=True)
    ]
    assert risk.example_losses(risk.parameters, risk.examples)[0].tolist() == pytest.approx(expected)


def test_batch_statistics_without_a_ghost_batch_are_refused(with_state):
    model, inputs, labels = with_state
    with pytest.raises(
        UserError, match=r"^1: batch normalisation .* give ghost_batch_size, or .* mode='eval'"
    ):
        risk_of_module(model, CROSS_ENTROPY, inputs, labels, mode="train")


def test_a_ghost_batch_that_does_not_divide_the_examples_is_refused(with_state):
    model, inputs, labels = with_state
    with pytest.raises(UserError, match="ghost_batch_size=7 must divide the 24 examples"):
        risk_of_module(model, CROSS_ENTROPY, inputs, labels, mode="train", ghost_batch_size=7)


def test_frozen_parameters_are_not_differentiated_by(with_state):
    model, inputs, labels = with_state
    model[0].requires_grad_(False)
    assert risk_of_module(model, CROSS_ENTROPY, inputs, labels).num_parameters == 12 + 21


def test_a_reduced_loss_is_refused(small):
    risk = risk_of_module(small.model, nn.CrossEntropyLoss(), small.inputs, small.labels)
    with pytest.raises(UserError, match=r'must give one number for each, as reduction="none" does'):
        risk.value()


def test_unequal_numbers_of_inputs_and_targets_are_refused(small):
    with pytest.raises(UserError, match="23 inputs and 22 targets"):
        risk_of_module(small.model, CROSS_ENTROPY, small.inputs, small.labels[1:])


def test_no_examples_no_parameters_and_empty_chunks_are_refused(small):
    with pytest.raises(UserError, match="no example"):
        risk_of_module(small.model, CROSS_ENTROPY, small.inputs[:0], small.labels[:0])
    with pytest.raises(UserError, match="no parameter"):
        risk_of_module(nn.Flatten(), CROSS_ENTROPY, small.inputs, small.labels)
    with pytest.raises(UserError, match="chunk_size=0 must be at least 1"):
        small.risk(chunk_size=0)


def test_an_output_that_is_not_one_an_example_is_refused(small):
    risk = risk_of_module(
        nn.Sequential(nn.Linear(4, 2), nn.Flatten(0)).double(), CROSS_ENTROPY, small.inputs, small.labels
    )
    with pytest.raises(UserError, match=r"one output an example, \(23, …\)"):
        risk.value()


def test_no_more_examples_than_a_chunk_are_alive_at_a_time(small):
    """Memory is bounded by the chunk: whatever is measured asks for no more at once."""
    risk, asked = small.risk(chunk_size=4), []

    def outputs(parameters, examples):
        asked.append(len(examples))
        return risk.outputs(parameters, examples)

    watched = replace(risk, outputs=outputs)
    product = HessianProduct(watched)
    watched.value()
    watched.gradient()
    top_eigenpairs(product, 2, max_products=5)
    trace(product, examples_per_probe=9)
    trace(GaussNewtonProduct(watched), examples_per_probe=9)
    interaction(product, num_groups=2)
    spectral_density(product, num_nodes=3)
    mean_loss_change(watched, watched.gradient(), torch.tensor([0.1]), 10)
    gradient_moments(watched)
    assert max(asked) == 4
