"""A guide from a sample: rough pairs of the same matrix, by which fewer products are needed."""

import pytest
import torch
from torch import nn

from sgdlab.diagnostics.curvature.eigenpairs import top_eigenpairs
from sgdlab.diagnostics.curvature.products import HessianProduct
from sgdlab.diagnostics.curvature.sample_guide import guide_from_sample
from sgdlab.diagnostics.modules import risk_of_module


@pytest.fixture
def product():
    """A classifier whose Hessian has several large eigenvalues close together."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 6)).double()
    inputs = torch.randn(640, 12, dtype=torch.float64)
    return HessianProduct(
        risk_of_module(model, nn.CrossEntropyLoss(reduction="none"), inputs, inputs.argmax(dim=1) % 6)
    )


def test_a_guided_search_finds_the_same_with_fewer_products(product):
    guide = guide_from_sample(product, share=1 / 8)
    alone, guided = (top_eigenpairs(product, tolerance=1e-3, guide=g) for g in (None, guide))
    torch.testing.assert_close(guided.values, alone.values, rtol=1e-5, atol=0)
    assert guided.has_converged.all()
    assert guided.num_products < alone.num_products


def test_it_looks_at_a_sample_only(product):
    """With a share of 1 it would be the search itself; with few examples it is rough."""
    values = top_eigenpairs(product, 3, tolerance=1e-6).values[0]
    rough = guide_from_sample(product, 3, share=1 / 32).values[0, :3]
    close = guide_from_sample(product, 3, share=1.0).values[0, :3]
    assert (close / values - 1).abs().max() < 0.01 < (rough / values - 1).abs().max()
    assert torch.equal(rough, guide_from_sample(product, 3, share=1 / 32).values[0, :3])
