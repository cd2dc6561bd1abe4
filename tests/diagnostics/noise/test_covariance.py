"""Products against dense matrices from gradients taken one by one, and from all batches."""

import itertools

import pytest
import torch
from torch import nn

from sgdlab.diagnostics.curvature.eigenpairs import top_eigenpairs
from sgdlab.diagnostics.modules import risk_of_module
from sgdlab.diagnostics.noise.covariance import gradient_covariance, gradient_second_moment
from sgdlab.diagnostics.noise.moments import gradient_moments
from sgdlab.errors import UserError


def dense(operator):
    """(R, P, P), a column a product."""
    num_runs, size = operator.shape
    identity = torch.eye(size, dtype=torch.float64)
    return torch.stack([operator(row.expand(num_runs, -1)) for row in identity], dim=2)


@pytest.mark.parametrize("chunk_size", [7, 100])
def test_the_covariance_is_that_of_gradients_taken_one_by_one(small, example_gradients, chunk_size):
    found = dense(gradient_covariance(small.risk(chunk_size=chunk_size)))[0]
    torch.testing.assert_close(found, example_gradients.T.cov(correction=0))


@pytest.mark.parametrize("batch_size", [1, 2, 22, 23])
def test_batches_have_the_moments_of_their_enumeration(small, example_gradients, batch_size):
    draws = torch.tensor(list(itertools.combinations(range(23), batch_size)))
    batches = example_gradients[draws].mean(dim=1)
    risk = small.risk()
    second = batches.T @ batches / len(batches)
    mean = example_gradients.mean(dim=0)
    torch.testing.assert_close(dense(gradient_second_moment(risk, batch_size))[0], second)
    torch.testing.assert_close(
        dense(gradient_covariance(risk, batch_size))[0],
        second - torch.outer(mean, mean),
        rtol=1e-6,
        atol=1e-14,
    )


def test_with_replacement_the_covariance_falls_as_the_batch_grows(small):
    one, four = (dense(gradient_covariance(small.risk(), b, "with")) for b in (1, 4))
    torch.testing.assert_close(four, one / 4)


def test_leading_eigenpairs_are_those_of_the_dense_matrix(small, example_gradients):
    found = top_eigenpairs(gradient_covariance(small.risk()), 3, tolerance=1e-8)
    expected = torch.linalg.eigvalsh(example_gradients.T.cov(correction=0)).flip(0)[:3]
    torch.testing.assert_close(found.values[0], expected)


def test_its_trace_is_the_noise(pack):
    found = dense(gradient_covariance(pack)).diagonal(dim1=1, dim2=2).sum(dim=1)
    torch.testing.assert_close(found, gradient_moments(pack).noise_trace.value)


def test_a_pack_is_as_its_runs_alone(pack, alone_run):
    vectors = torch.randn(
        3, pack.num_parameters, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    for make in (gradient_covariance, gradient_second_moment):
        together = make(pack, 4)(vectors)
        for run in range(3):
            torch.testing.assert_close(together[run], make(alone_run(run), 4)(vectors[run : run + 1])[0])


def test_ghost_batches_have_a_covariance_of_their_own():
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Tanh(), nn.Linear(3, 3)).double()
    loss = nn.CrossEntropyLoss(reduction="none")
    inputs = torch.randn(20, 4, dtype=torch.float64)
    risk = risk_of_module(model, loss, inputs, torch.arange(20) % 3, mode="train", ghost_batch_size=5)
    gradients = torch.cat([risk.on(risk.examples[i : i + 1]).gradient() for i in range(4)])
    torch.testing.assert_close(dense(gradient_covariance(risk))[0], gradients.T.cov(correction=0))


def test_batch_sizes_out_of_range_are_refused(small):
    with pytest.raises(UserError, match="batch_size=24 must be at most the 23 examples"):
        gradient_covariance(small.risk(), 24)
    with pytest.raises(UserError, match="batch_size=0 must be at least 1"):
        gradient_second_moment(small.risk(), 0)
