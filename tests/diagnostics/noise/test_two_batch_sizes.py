"""Two batch sizes against the exact moments, and against the formula for each pair."""

import pytest
import torch

from sgdlab.diagnostics.noise.moments import gradient_moments
from sgdlab.diagnostics.noise.two_batch_sizes import moments_by_two_batch_sizes, moments_of_batch_gradients
from sgdlab.diagnostics.risk import NotFiniteError
from sgdlab.errors import UserError

NUM_SEEDS = 200


def rows(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def small_risk(small):
    return small.risk()


def test_each_group_solves_the_two_equations():
    """|G|² = (B·y_B − b·y_b)/(B − b), Γ = (y_b − y_B)/(1/b − 1/B), as McCandlish et al. write them."""
    gradients, b = rows(9, 1, 4) + 1, 8
    pairs = []
    for group in gradients[:, 0].split(3):
        small, large = group.square().sum(dim=1).mean(), group.mean(dim=0).square().sum()
        pairs.append([(3 * b * large - b * small) / (2 * b), (small - large) / (1 / b - 1 / (3 * b))])
    pairs = torch.tensor(pairs, dtype=torch.float64)
    found = moments_of_batch_gradients(gradients, b, 3)
    torch.testing.assert_close(found.values[0], pairs.mean(dim=0))
    torch.testing.assert_close(found.covariance[0], pairs.T.cov() / 3)


@pytest.mark.parametrize("sizes", [(1, 2), (2, 8), (4, 12)])
def test_it_is_unbiased_and_knows_its_errors(risk_with_gradients, example_gradients, sizes):
    risk = risk_with_gradients(example_gradients)
    exact = gradient_moments(risk)
    found = [moments_by_two_batch_sizes(risk, *sizes, 8, seed=seed) for seed in range(NUM_SEEDS)]
    values = torch.stack([f.values[0] for f in found])
    stated = torch.stack([f.covariance[0].diagonal() for f in found]).mean(dim=0).sqrt()
    spread = values.std(dim=0)
    assert ((values.mean(dim=0) - exact.values[0]).abs() <= 3 * spread / NUM_SEEDS**0.5 + 1e-12).all()
    # the spread over 200 seeds is known to 1/√400 = 5 %, and so is the mean of the stated variances
    torch.testing.assert_close(stated, spread, rtol=0.15, atol=1e-12)


def test_a_large_batch_of_everything_gives_the_gradient_exactly(small_risk):
    found = moments_by_two_batch_sizes(small_risk, 1, 23, 2).gradient_norm_sq
    assert found.value.item() == pytest.approx(gradient_moments(small_risk).gradient_norm_sq.value.item())
    assert found.standard_error.item() == pytest.approx(0, abs=1e-12)


def epochs_of_batches(risk, batch_size, num_epochs):
    """What training sees: the gradients of all batches of one shuffle after the other."""
    generator = torch.Generator().manual_seed(7)
    for _ in range(num_epochs):
        order = torch.randperm(risk.num_examples, generator=generator)
        batches = [batch for batch in order.split(batch_size) if len(batch) == batch_size]
        yield from (risk.on(batch).gradient() for batch in batches)


def test_batches_of_training_are_enough(small_risk):
    """5 batches of 4 an epoch, in groups of 5: each group lies in one epoch."""
    found = moments_of_batch_gradients(epochs_of_batches(small_risk, 4, 80), 4, 5, num_examples=23)
    exact = gradient_moments(small_risk)
    for estimate, truth in (
        (found.gradient_norm_sq, exact.gradient_norm_sq),
        (found.noise_trace, exact.noise_trace),
        (found.concentration(2), exact.concentration(2)),
    ):
        assert abs(estimate.value - truth.value) < 3 * estimate.standard_error
        assert estimate.standard_error < 0.1 * truth.value


def test_batches_that_may_share_examples_have_no_finite_set(small_risk):
    generator = torch.Generator().manual_seed(2)
    gradients = [small_risk.on(torch.randint(23, (4,), generator=generator)).gradient() for _ in range(600)]
    found = moments_of_batch_gradients(gradients, 4, 6, num_examples=23, sampling="with").noise_trace
    exact = gradient_moments(small_risk).noise_trace.value
    assert abs(found.value - exact) < 3 * found.standard_error
    assert found.standard_error < 0.1 * exact


def test_left_over_batches_are_not_used():
    gradients = rows(8, 2, 4)
    whole, more = moments_of_batch_gradients(gradients[:6], 2, 3), moments_of_batch_gradients(gradients, 2, 3)
    assert torch.equal(whole.values, more.values)


def test_a_pack_is_as_its_runs_alone(pack, alone_run):
    together = moments_by_two_batch_sizes(pack, 2, 6, 3)
    for run in range(3):
        found = moments_by_two_batch_sizes(alone_run(run), 2, 6, 3)
        torch.testing.assert_close(together.values[run], found.values[0])
        torch.testing.assert_close(together.covariance[run], found.covariance[0])


def test_same_seed_same_numbers(small_risk):
    first, again, other = (moments_by_two_batch_sizes(small_risk, 2, 6, 3, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.values, again.values)
    assert not torch.equal(first.values, other.values)


def test_sizes_that_do_not_fit_are_refused(small_risk):
    with pytest.raises(UserError, match="large=7 must be a multiple of small=2, and larger"):
        moments_by_two_batch_sizes(small_risk, 2, 7, 3)
    with pytest.raises(UserError, match="large=2 must be a multiple of small=2, and larger"):
        moments_by_two_batch_sizes(small_risk, 2, 2, 3)
    with pytest.raises(UserError, match="batch_size=24 must be at most the 23 examples"):
        moments_by_two_batch_sizes(small_risk, 2, 24, 3)
    with pytest.raises(UserError, match="batch_size=0 must be at least 1"):
        moments_by_two_batch_sizes(small_risk, 0, 24, 3)
    with pytest.raises(UserError, match="groups of batches=1 must be at least 2"):
        moments_by_two_batch_sizes(small_risk, 2, 6, 1)
    with pytest.raises(UserError, match="batches_per_group=1 must be at least 2"):
        moments_of_batch_gradients(rows(8, 2, 4), 2, 1)


def test_infinite_gradients_are_refused():
    with pytest.raises(NotFiniteError, match=r"of run 1 .* isn't finite"):
        moments_of_batch_gradients(torch.tensor([[[1.0], [torch.inf]]] * 6), 2, 3)
