"""Moments against enumerations of all batches and partitions, and against the spread over many samples."""

import itertools
from dataclasses import replace

import pytest
import torch
from torch import nn

from sgdlab.diagnostics.modules import risk_of_module
from sgdlab.diagnostics.noise.moments import gradient_moments, sampled_gradient_moments
from sgdlab.diagnostics.risk import NotFiniteError
from sgdlab.errors import UserError

NUM_SEEDS = 400


def rows(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def all_batches(gradients, batch_size, sampling):
    """The mean gradients of all equally likely batches, (batches, P)."""
    numbers = range(len(gradients))
    draws = (
        itertools.combinations(numbers, batch_size)
        if sampling == "without"
        else itertools.product(numbers, repeat=batch_size)
    )
    return gradients[torch.tensor(list(draws))].mean(dim=1)


CASES = [("without", b) for b in (1, 2, 3, 20, 22, 23)] + [("with", 1), ("with", 2), ("with", 3)]


@pytest.mark.parametrize(("sampling", "batch_size"), CASES)
def test_every_batch_size_is_as_the_enumeration_of_all_batches(
    small, example_gradients, sampling, batch_size
):
    batches, mean = all_batches(example_gradients, batch_size, sampling), example_gradients.mean(dim=0)
    second = batches.square().sum(dim=1).mean().item()
    spread = (batches - mean).square().sum(dim=1).mean().item()
    found = gradient_moments(small.risk(chunk_size=7))
    assert found.second_moment_trace(batch_size, sampling).value.item() == pytest.approx(second)
    assert found.covariance_trace(batch_size, sampling).value.item() == pytest.approx(spread, abs=1e-14)
    rho = mean.square().sum().item() / second
    assert found.concentration(batch_size, sampling).value.item() == pytest.approx(rho)
    assert found.concentration(batch_size, sampling).standard_error.item() == 0


def partitions(examples, batch_size):
    """All ways to part a set into full batches, its last few examples left over."""
    if len(examples) < batch_size:
        yield []
        return
    if len(examples) % batch_size:
        for left in itertools.combinations(examples, len(examples) % batch_size):
            yield from partitions([e for e in examples if e not in left], batch_size)
        return
    for others in itertools.combinations(examples[1:], batch_size - 1):
        batch = [examples[0], *others]
        yield from (
            [batch, *more] for more in partitions([e for e in examples if e not in batch], batch_size)
        )


@pytest.mark.parametrize(
    ("num_examples", "batch_size", "count"), [(6, 1, 1), (6, 2, 15), (6, 3, 10), (6, 6, 1), (7, 2, 105)]
)
def test_the_regularizer_is_its_mean_over_all_partitions(small, num_examples, batch_size, count):
    gradients = small.example_gradients()[:num_examples]
    values = [
        sum(gradients[batch].mean(dim=0).square().sum().item() for batch in partition) / (4 * len(partition))
        for partition in partitions(list(range(num_examples)), batch_size)
    ]
    assert len(values) == count
    found = gradient_moments(small.risk().on(torch.arange(num_examples))).implicit_regularizer(batch_size)
    assert found.value.item() == pytest.approx(sum(values) / count)


def test_noise_scale_is_the_noise_over_the_gradient(small, example_gradients):
    mean = example_gradients.mean(dim=0)
    noise = (example_gradients - mean).square().sum(dim=1).mean()
    found = gradient_moments(small.risk()).noise_scale
    assert found.value.item() == pytest.approx((noise / mean.square().sum()).item())


def test_linear_regression_at_the_truth_has_the_noise_of_its_targets():
    """With inputs ±1 in one variable, r_i = −noise_i: Γ + ‖G‖² is the mean of noise²."""
    inputs, noise = (
        torch.tensor([1.0, -1, 1, -1]).double().unsqueeze(1),
        torch.tensor([1.0, 2, 3, 4]).double(),
    )
    model = nn.Linear(1, 1, bias=False).double()
    with torch.no_grad():
        model.weight.fill_(3)
    targets = 3 * inputs.squeeze(1) + noise
    risk = risk_of_module(model, lambda z, t: (z.squeeze(1) - t).square() / 2, inputs, targets)
    found = gradient_moments(risk)
    assert found.second_moment_trace(1).value.item() == pytest.approx(30 / 4)
    assert found.gradient_norm_sq.value.item() == pytest.approx(0.25)  # (−1+2−3+4)/4 = ½


def test_a_pack_is_as_its_runs_alone(pack, alone_run):
    for measure in (gradient_moments, lambda risk: sampled_gradient_moments(risk, 7, seed=3)):
        together = measure(pack)
        for run in range(3):
            found = measure(alone_run(run))
            torch.testing.assert_close(together.values[run], found.values[0])
            torch.testing.assert_close(together.covariance[run], found.covariance[0])


def test_l2_moves_the_mean_and_not_the_noise(pack):
    with_l2, without = gradient_moments(pack), gradient_moments(replace(pack, l2=None))
    torch.testing.assert_close(with_l2.noise_trace.value, without.noise_trace.value)
    assert (with_l2.gradient_norm_sq.value != without.gradient_norm_sq.value).tolist() == [False, True, True]


def test_ghost_batches_have_moments_of_their_own():
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)).double()
    inputs, labels = rows(24, 4), torch.arange(24) % 3
    loss = nn.CrossEntropyLoss(reduction="none")
    risk = risk_of_module(model, loss, inputs, labels, mode="train", ghost_batch_size=4)
    gradients = torch.cat([risk.on(risk.examples[i : i + 1]).gradient() for i in range(6)])
    expected = all_batches(gradients, 2, "without").square().sum(dim=1).mean().item()
    assert gradient_moments(risk).second_moment_trace(2).value.item() == pytest.approx(expected)


def test_a_sample_of_everything_is_exact(small):
    exact, sampled = gradient_moments(small.risk()), sampled_gradient_moments(small.risk(), 23)
    torch.testing.assert_close(sampled.values, exact.values)
    assert sampled.covariance.abs().max() == 0


def test_standard_errors_are_those_of_leaving_each_example_out(risk_with_gradients):
    gradients, n, s = rows(40, 5) + 0.3, 40, 12
    drawn = gradients[torch.randperm(40, generator=torch.Generator().manual_seed(6))[:s]]

    def estimates(sample):
        """By the definition of the U-statistic, all pairs summed."""
        size = len(sample)
        gram = sample @ sample.T
        u = (gram.sum() - gram.trace()) / (size * (size - 1))
        mean_sq = gram.trace() / size
        return torch.stack([u + (mean_sq - u) / n, (1 - 1 / n) * (mean_sq - u)])

    found = sampled_gradient_moments(risk_with_gradients(gradients), s, seed=6)
    torch.testing.assert_close(found.values[0], estimates(drawn))
    left_out = torch.stack([estimates(torch.cat([drawn[:i], drawn[i + 1 :]])) for i in range(s)])
    deviations = estimates(drawn) - left_out
    torch.testing.assert_close(
        found.covariance[0], (1 - s / n) * (s - 1) / s * deviations.T @ deviations, rtol=1e-9, atol=0
    )


def over_seeds(risk, num_sampled, measure):
    """Values and standard errors over many samples of one finite set."""
    found = [measure(sampled_gradient_moments(risk, num_sampled, seed=seed)) for seed in range(NUM_SEEDS)]
    return torch.tensor([f.value.item() for f in found]), torch.tensor(
        [f.standard_error.item() for f in found]
    )


MEASURES = {
    "gradient_norm_sq": lambda m: m.gradient_norm_sq,
    "noise_trace": lambda m: m.noise_trace,
    "second_moment_trace": lambda m: m.second_moment_trace(4),
    "regularizer": lambda m: m.implicit_regularizer(8),
}


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("num_sampled", [40, 120])
def test_estimates_are_unbiased_and_know_their_errors(risk_with_gradients, name, num_sampled):
    """Of 160 examples a quarter and three quarters; the mean gradient is half as long as the noise."""
    risk = risk_with_gradients(rows(160, 6) * torch.tensor([2.0, 1, 1, 1, 0.5, 0.5]).double() + 0.6, 200)
    values, errors = over_seeds(risk, num_sampled, MEASURES[name])
    exact = MEASURES[name](gradient_moments(risk)).value.item()
    assert abs(values.mean() - exact) < 3 * values.std() / NUM_SEEDS**0.5
    # the spread over 400 samples is known to 1/√800 = 3.5 %; the second-order part adds a few per cent
    assert errors.square().mean().sqrt() / values.std() == pytest.approx(1.03, abs=0.12)
    is_covered = (values - exact).abs() < 1.96 * errors
    # 95 % ± 3·√(0.95·0.05/400), less 2 % as a sample of 40 has tails longer than a normal's
    assert 0.95 - 0.033 - 0.02 < is_covered.double().mean() < 0.95 + 0.033


def test_ratios_know_their_errors_to_first_order(risk_with_gradients):
    risk = risk_with_gradients(rows(160, 6) + 0.6, 200)
    values, errors = over_seeds(risk, 80, lambda m: m.concentration(8))
    exact = gradient_moments(risk).concentration(8).value.item()
    assert abs(values.mean() - exact) < 0.3 * values.std()  # biased, by less than the error of one sample
    assert errors.square().mean().sqrt() / values.std() == pytest.approx(1.03, abs=0.12)


def test_where_the_gradient_is_lost_in_the_noise_errors_are_up_to_root_two_too_large(risk_with_gradients):
    gradients = rows(160, 6)
    risk = risk_with_gradients(gradients - gradients.mean(dim=0), 200)
    values, errors = over_seeds(risk, 20, MEASURES["gradient_norm_sq"])
    assert abs(values.mean()) < 3 * values.std() / NUM_SEEDS**0.5
    assert 1 < errors.square().mean().sqrt() / values.std() < 2**0.5 * 1.15


def test_same_seed_same_numbers(small):
    first, again, other = (sampled_gradient_moments(small.risk(), 9, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.values, again.values)
    assert not torch.equal(first.values, other.values)


def test_sizes_out_of_range_are_refused(small):
    found = gradient_moments(small.risk())
    with pytest.raises(UserError, match="batch_size=24 must be at most the 23 examples"):
        found.concentration(24)
    with pytest.raises(UserError, match="batch_size=0 must be at least 1"):
        found.covariance_trace(0, "with")
    assert found.concentration(24, "with").value.isfinite()
    with pytest.raises(UserError, match="num_sampled=2 must be at least 3: a standard error needs as many"):
        sampled_gradient_moments(small.risk(), 2)
    with pytest.raises(UserError, match="num_sampled=24 must be at most the 23 examples"):
        sampled_gradient_moments(small.risk(), 24)


def test_infinite_gradients_are_refused(risk_with_gradients):
    gradients = torch.ones(4, 2)
    gradients[2, 1] = torch.inf
    for measure in (gradient_moments, lambda risk: sampled_gradient_moments(risk, 4)):
        with pytest.raises(NotFiniteError, match="isn't finite"):
            measure(risk_with_gradients(gradients))
