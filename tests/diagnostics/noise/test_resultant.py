"""Mean resultant lengths against all batches, and their errors against the spread over seeds."""

import itertools

import pytest
import torch
from torch import nn

from sgdlab.diagnostics.modules import risk_of_module
from sgdlab.diagnostics.noise.resultant import resultant_length, sampled_resultant_length
from sgdlab.diagnostics.risk import NotFiniteError
from sgdlab.errors import UserError

NUM_SEEDS = 200


def squared_over_all_batches(gradients, batch_size):
    draws = torch.tensor(list(itertools.combinations(range(len(gradients)), batch_size)))
    directions = nn.functional.normalize(gradients[draws].mean(dim=1), dim=1)
    return directions.mean(dim=0).square().sum().item()


@pytest.mark.parametrize("chunk_size", [7, 100])
def test_of_single_examples_it_is_exact(small, example_gradients, chunk_size):
    found = resultant_length(small.risk(chunk_size=chunk_size))
    assert found.squared.item() == pytest.approx(squared_over_all_batches(example_gradients, 1))
    assert found.length.item() == pytest.approx(found.squared.item() ** 0.5)
    assert found.squared_standard_error.item() == 0


def test_directions_on_a_circle(risk_with_gradients):
    """At angles ±θ it is cos θ, whatever the lengths."""
    angles, lengths = torch.tensor([0.4, -0.4, 0.4, -0.4]).double(), torch.tensor([1.0, 9, 0.01, 4]).double()
    gradients = lengths.unsqueeze(1) * torch.stack([angles.cos(), angles.sin()], dim=1)
    found = resultant_length(risk_with_gradients(gradients)).length.item()
    assert found == pytest.approx(torch.tensor(0.4).double().cos().item())


def test_a_gradient_of_zero_counts_as_zero(risk_with_gradients):
    risk = risk_with_gradients(torch.tensor([[3.0, 0], [0, 0]]).double())
    assert resultant_length(risk).length.item() == pytest.approx(0.5)
    nothing = sampled_resultant_length(risk_with_gradients(torch.zeros(4, 2).double()), 1, 5)
    assert (nothing.squared.item(), nothing.squared_standard_error.item()) == (0, 0)


@pytest.mark.parametrize(("batch_size", "num_batches"), [(1, 12), (2, 12), (4, 20)])
def test_of_batches_it_is_unbiased_and_knows_its_error(
    risk_with_gradients, example_gradients, batch_size, num_batches
):
    exact = squared_over_all_batches(example_gradients, batch_size)
    risk = risk_with_gradients(example_gradients)
    found = [sampled_resultant_length(risk, batch_size, num_batches, seed=s) for s in range(NUM_SEEDS)]
    values = torch.tensor([f.squared.item() for f in found])
    errors = torch.tensor([f.squared_standard_error.item() for f in found])
    assert abs(values.mean() - exact) < 3 * values.std() / NUM_SEEDS**0.5
    # the spread over 200 seeds is known to 1/√400 = 5 %; the jackknife's is right or up to √2 too large
    assert 1 - 0.15 < errors.square().mean().sqrt() / values.std() < 2**0.5 * 1.15


@pytest.mark.parametrize(("batch_size", "num_zeros"), [(1, 0), (1, 15), (3, 0)])
def test_its_error_is_that_of_leaving_each_batch_out(risk_with_gradients, batch_size, num_zeros):
    generator = torch.Generator().manual_seed(1)
    gradients, m = torch.randn(30, 4, generator=generator, dtype=torch.float64) + 0.5, 8
    gradients[:num_zeros] = 0
    found = sampled_resultant_length(risk_with_gradients(gradients), batch_size, m, seed=5)
    generator = torch.Generator().manual_seed(5)
    draws = [torch.randperm(30, generator=generator)[:batch_size] for _ in range(m)]
    directions = nn.functional.normalize(torch.stack([gradients[d].mean(dim=0) for d in draws]), dim=1)

    def squared(u):
        return (u.sum(dim=0).square().sum() - u.square().sum()) / (len(u) * (len(u) - 1))

    assert found.squared.item() == pytest.approx(squared(directions).item())
    left_out = torch.stack([squared(torch.cat([directions[:i], directions[i + 1 :]])) for i in range(m)])
    variance = (m - 1) / m * (left_out - squared(directions)).square().sum()
    assert found.squared_standard_error.item() == pytest.approx(variance.sqrt().item())


def test_of_everything_it_is_1(small):
    found = sampled_resultant_length(small.risk(), 23, 3)
    assert found.length.item() == pytest.approx(1)
    assert found.squared_standard_error.item() == pytest.approx(0, abs=1e-12)


def test_a_pack_is_as_its_runs_alone(pack, alone_run):
    for measure in (resultant_length, lambda risk: sampled_resultant_length(risk, 3, 6, seed=2)):
        together = measure(pack)
        for run in range(3):
            found = measure(alone_run(run))
            torch.testing.assert_close(together.squared[run], found.squared[0])
            torch.testing.assert_close(together.squared_standard_error[run], found.squared_standard_error[0])


def test_ghost_batches_have_directions_too():
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)).double()
    loss = nn.CrossEntropyLoss(reduction="none")
    inputs = torch.randn(24, 4, dtype=torch.float64)
    risk = risk_of_module(model, loss, inputs, torch.arange(24) % 3, mode="train", ghost_batch_size=4)
    gradients = torch.cat([risk.on(risk.examples[i : i + 1]).gradient() for i in range(6)])
    assert resultant_length(risk).squared.item() == pytest.approx(squared_over_all_batches(gradients, 1))


def test_same_seed_same_numbers(small):
    first, again, other = (sampled_resultant_length(small.risk(), 4, 5, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.squared, again.squared)
    assert not torch.equal(first.squared, other.squared)


def test_numbers_out_of_range_are_refused(small):
    with pytest.raises(UserError, match="batch_size=24 must be at most the 23 examples"):
        sampled_resultant_length(small.risk(), 24, 5)
    with pytest.raises(UserError, match="num_batches=2 must be at least 3"):
        sampled_resultant_length(small.risk(), 4, 2)


def test_infinite_gradients_are_refused(risk_with_gradients):
    risk = risk_with_gradients(torch.tensor([[1.0], [torch.inf]]))
    for measure in (resultant_length, lambda risk: sampled_resultant_length(risk, 2, 3)):
        with pytest.raises(NotFiniteError, match="isn't finite"):
            measure(risk)
