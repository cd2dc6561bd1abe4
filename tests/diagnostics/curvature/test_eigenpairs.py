"""Eigenpairs against dense decompositions."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from sgdlab.diagnostics.curvature.eigenpairs import Eigenpairs, top_eigenpairs
from sgdlab.diagnostics.curvature.products import HessianProduct
from sgdlab.errors import UserError


@dataclass
class Dense:
    """Matrices that count how often they are asked."""

    matrices: Tensor  # (R, P, P)
    num_calls: int = 0

    @property
    def shape(self):
        return self.matrices.shape[:2]

    @property
    def like(self):
        return self.matrices[0, 0]

    def __call__(self, vectors):
        self.num_calls += 1
        return (self.matrices @ vectors.unsqueeze(2)).squeeze(2)


def matrices_with(values, seed=0, size=None):
    """Symmetric matrices with these eigenvalues, (R, P), in random bases."""
    values = torch.as_tensor(values, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    bases = torch.linalg.qr(
        torch.randn(*values.shape, values.shape[1], generator=generator, dtype=torch.float64)
    )[0]
    return Dense(bases @ torch.diag_embed(values) @ bases.transpose(1, 2))


def like_a_network(num_runs=1, size=200):
    """A bulk about 0, and a few outliers."""
    bulk = torch.linspace(-0.5, 0.5, size - 5).expand(num_runs, -1)
    outliers = torch.tensor([9.0, 7.0, 5.0, 3.0, 2.0]).expand(num_runs, -1) + torch.arange(
        num_runs
    ).unsqueeze(1)
    return matrices_with(torch.cat([bulk, outliers], dim=1))


def test_pairs_are_those_of_the_dense_matrices_of_each_run():
    operator = like_a_network(num_runs=3)
    found = top_eigenpairs(operator, 4, tolerance=1e-7)
    expected = torch.linalg.eigvalsh(operator.matrices).flip(1)[:, :4]
    torch.testing.assert_close(found.values, expected, rtol=0, atol=1e-9)
    assert found.has_converged.all()
    for k in range(4):
        vectors = found.vectors[:, k]
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3, dtype=torch.float64))
        rest = operator(vectors) - found.values[:, k, None] * vectors
        torch.testing.assert_close(rest.norm(dim=1), found.residuals[:, k], rtol=0, atol=1e-12)
        assert (rest.norm(dim=1) <= 1e-7 * expected[:, 0]).all()


def test_the_largest_are_meant_algebraically():
    operator = matrices_with([[-50.0, -20.0, *torch.linspace(-1, 1, 60).tolist(), 3.0]])
    found = top_eigenpairs(operator, 2, tolerance=1e-8)
    assert found.values[0].tolist() == pytest.approx([3.0, 1.0], abs=1e-5)


def test_restarts_lose_nothing():
    values = torch.linspace(0, 1, 400)[None] ** 4  # no gap: more products
    found = top_eigenpairs(matrices_with(values), 1, tolerance=1e-6)
    assert found.num_products > 30  # the span holds 26
    assert found.has_converged.all()
    assert found.values.item() == pytest.approx(1, abs=1e-6)


def test_a_small_space_is_exhausted():
    operator = matrices_with([[1.0, 1.0, 1.0, 2.0]])
    found = top_eigenpairs(operator, 4, tolerance=1e-12)
    assert found.values[0].tolist() == pytest.approx([2, 1, 1, 1])
    assert found.vectors[0] @ found.vectors[0].T == pytest.approx(torch.eye(4).numpy(), abs=1e-12)


def test_the_zero_matrix_has_only_zeros():
    found = top_eigenpairs(Dense(torch.zeros(2, 30, 30)), 2)
    assert found.values.tolist() == [[0, 0], [0, 0]]
    assert found.has_converged.all()


def test_a_guide_saves_products():
    operator = like_a_network()
    disturbance = matrices_with(torch.linspace(-0.3, 0.3, 200)[None], seed=1)
    guide = top_eigenpairs(Dense(operator.matrices + disturbance.matrices), 6, tolerance=1e-2)
    alone = top_eigenpairs(operator, 1, tolerance=1e-4)
    guided = top_eigenpairs(operator, 1, tolerance=1e-4, guide=guide)
    assert guided.values.item() == pytest.approx(9, abs=1e-6)
    assert guided.num_products <= alone.num_products - 3


def test_a_good_start_saves_products_and_a_bad_one_misses_nothing():
    operator = like_a_network(num_runs=2)
    top = torch.linalg.eigh(operator.matrices).eigenvectors[:, :, -1]
    alone, near = (top_eigenpairs(operator, 1, tolerance=1e-6, start=s) for s in (None, top))
    assert near.num_products < alone.num_products
    # exactly along another eigenvector, from where a search without a random part would never leave
    other = torch.linalg.eigh(operator.matrices).eigenvectors[:, :, -2]
    found = top_eigenpairs(operator, 1, tolerance=1e-6, start=other)
    assert found.values[:, 0].tolist() == pytest.approx([9, 10])


def test_a_guide_that_has_the_first_two_in_the_wrong_order_misleads_nobody():
    operator = like_a_network()
    values, vectors = torch.linalg.eigh(operator.matrices)
    swapped = [-2, -1, -3]
    guide = Eigenpairs(
        values=torch.tensor([[9.0, 7.0, 5.0]], dtype=torch.float64),
        vectors=vectors[:, :, swapped].transpose(1, 2),
        residuals=torch.zeros(1, 3),
        has_converged=torch.ones(1, dtype=torch.bool),
        num_products=0,
    )
    found = top_eigenpairs(operator, 1, tolerance=1e-3, guide=guide)
    assert found.values.item() == pytest.approx(values[0, -1].item(), abs=1e-6)


def test_too_few_products_are_said(small):
    found = top_eigenpairs(HessianProduct(small.risk()), 3, tolerance=1e-10, max_products=5)
    assert found.num_products == 5
    assert not found.has_converged.any()
    assert (found.residuals > 0).any()


def test_of_a_network(small):
    found = top_eigenpairs(HessianProduct(small.risk()), 5, tolerance=1e-9)
    torch.testing.assert_close(found.values[0], torch.linalg.eigvalsh(small.hessian()).flip(0)[:5])


def test_the_same_seed_gives_the_same_numbers():
    first, second = (top_eigenpairs(like_a_network(), 2, seed=3) for _ in range(2))
    assert torch.equal(first.vectors, second.vectors)


def test_single_precision_reaches_its_own_limit():
    operator = like_a_network()
    operator.matrices = operator.matrices.float()
    found = top_eigenpairs(operator, 2, tolerance=1e-5)
    assert found.has_converged.all()
    assert found.values[0].tolist() == pytest.approx([9, 7], abs=1e-4)


@pytest.mark.parametrize("num_pairs", [0, 36])
def test_more_pairs_than_parameters_are_refused(small, num_pairs):
    with pytest.raises(UserError, match=f"num_pairs={num_pairs} must be between 1 and the 35 parameters"):
        top_eigenpairs(HessianProduct(small.risk()), num_pairs)


@dataclass
class Diagonal:
    """A matrix too large to be written out."""

    values: Tensor  # (P,)

    @property
    def shape(self):
        return 1, len(self.values)

    @property
    def like(self):
        return self.values

    def __call__(self, vectors):
        return self.values * vectors


def test_millions_of_float32_numbers_are_summed_well_enough():
    """Summed in float32, lengths are off by a thousandth there, and no residual falls below that."""
    values = torch.linspace(-0.5, 0.5, 2**21).square()
    values[:2] = torch.tensor([3.0, 1.5])
    start = torch.zeros(1, len(values))
    start[0, :100] = 1.0
    found = top_eigenpairs(Diagonal(values), tolerance=1e-5, max_products=20, start=start)
    assert found.has_converged.all()
    assert found.values.item() == pytest.approx(3.0, rel=1e-6)
    assert found.vectors.double().norm().item() == pytest.approx(1.0, rel=1e-6)
