"""Quadratures against dense spectra."""

import math

import pytest
import torch

from sgdlab.diagnostics.curvature.products import HessianProduct
from sgdlab.diagnostics.curvature.spectral_density import spectral_density
from sgdlab.errors import UserError


def test_with_as_many_nodes_as_parameters_each_quadrature_is_exact_for_its_vector(small):
    """Every node is an eigenvalue, and moments over many vectors are the spectrum's."""
    values = torch.linalg.eigvalsh(small.hessian())
    found = spectral_density(HessianProduct(small.risk()), num_nodes=35, num_vectors=30)
    torch.testing.assert_close(found.nodes[0, 0], values, rtol=0, atol=1e-8)
    for power in (1, 2, 3):
        mean, error = found.mean_of(lambda x, power=power: x**power)
        assert abs(mean.item() - (values**power).mean().item()) < 3 * error.item()


def test_few_nodes_are_exact_for_polynomials_of_twice_the_degree(small):
    dense, product = small.hessian(), HessianProduct(small.risk())
    few, all_of_them = (spectral_density(product, num_nodes=n, num_vectors=2, seed=5) for n in (4, 35))
    for power in range(8):
        moments = [(each.weights[0] * each.nodes[0] ** power).sum() for each in (few, all_of_them)]
        torch.testing.assert_close(*moments)
    moments = [(each.weights[0] * each.nodes[0] ** 8).sum().item() for each in (few, all_of_them)]
    assert moments[0] != pytest.approx(moments[1], rel=1e-6)
    assert few.nodes.max() <= torch.linalg.eigvalsh(dense).max() + 1e-12


def test_the_density_is_the_spectrum_under_a_bell(small):
    values = torch.linalg.eigvalsh(small.hessian())
    grid, width = torch.linspace(-0.5, 2, 30), 0.1
    expected = torch.exp(-((grid[:, None] - values) ** 2) / (2 * width**2)).mean(dim=1) / (
        width * math.sqrt(2 * math.pi)
    )
    found, error = spectral_density(HessianProduct(small.risk()), num_nodes=35, num_vectors=40).density(
        grid, width
    )
    assert ((found[0] - expected).abs() <= 4 * error[0] + 1e-9).all()
    assert (error[0] < 0.3 * expected.max()).all()


def test_numbers_out_of_range_are_refused(small):
    product = HessianProduct(small.risk())
    with pytest.raises(UserError, match="num_nodes=0 must be at least 1"):
        spectral_density(product, num_nodes=0)
    with pytest.raises(UserError, match="num_vectors=1 must be at least 2"):
        spectral_density(product, num_vectors=1)
