"""Each loss against torch's own of the same name."""

import pytest
import torch
from torch.nn import functional

from sgdlab.training.losses import example_losses, hits


@pytest.fixture
def drawn():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 5, 6, generator=generator, dtype=torch.float64)
    pixels = torch.rand(2, 5, 1, 2, 3, generator=generator, dtype=torch.float64)
    return logits.requires_grad_(), pixels, torch.randint(6, (2, 5), generator=generator)


def test_squared_error(drawn):
    logits, pixels, labels = drawn
    expected = functional.mse_loss(logits, functional.one_hot(labels, 6).double(), reduction="none")
    losses = example_losses("squared_error", logits, pixels, labels)
    torch.testing.assert_close(losses, 3 * expected.mean(dim=2))


def test_cross_entropy_of_a_sequence_is_the_mean_over_its_steps(drawn):
    _, pixels, labels = drawn
    logits = torch.randn(2, 3, 5, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    words = labels.unsqueeze(1).expand(2, 3, 5)
    losses = example_losses("cross_entropy", logits, pixels, words)
    for run in range(2):
        for example in range(3):
            expected = functional.cross_entropy(logits[run, example], words[run, example])
            torch.testing.assert_close(losses[run, example], expected)


def test_bernoulli_with_its_derivatives(drawn):
    logits, pixels, labels = drawn
    ours = example_losses("bernoulli", logits, pixels, labels)
    theirs = functional.binary_cross_entropy_with_logits(logits, pixels.flatten(2), reduction="none").sum(2)
    for _ in range(3):
        torch.testing.assert_close(ours, theirs)
        ours, theirs = (
            torch.autograd.grad(losses.square().sum(), logits, create_graph=True)[0]
            for losses in (ours, theirs)
        )
    assert hits("bernoulli", logits, labels) is None


def test_bernoulli_at_the_ends_of_its_range():
    logits = torch.tensor([[[0.0, 1e4, -1e4, 1e4]]], requires_grad=True)
    losses = example_losses("bernoulli", logits, torch.tensor([[[0.25, 1.0, 0.0, 0.0]]]), torch.empty(1, 1))
    assert losses.item() == pytest.approx(1e4 + 0.6931472)
    losses.sum().backward()
    assert logits.grad.flatten().tolist() == [0.25, 0.0, 0.0, 1.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [3, 9, 39, 64, 117])
def test_the_last_run_of_a_pack_gets_the_bits_of_the_first(size, dtype):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 1, size, generator=generator, dtype=torch.float64).to(dtype).repeat(7, 1, 1)
    pixels = torch.rand(1, 1, size, generator=generator, dtype=torch.float64).to(dtype).expand(7, 1, size)
    losses = example_losses("bernoulli", logits.requires_grad_(), pixels, torch.empty(7, 1))
    (gradient,) = torch.autograd.grad(losses.sum(), logits)
    for values in (losses, gradient):
        assert all(torch.equal(run, values[0]) for run in values)
