"""The trace against dense matrices; its standard error against the spread over seeds."""

import pytest
import torch
from torch import nn

from sgdlab.diagnostics.curvature.products import GaussNewtonProduct, HessianProduct
from sgdlab.diagnostics.curvature.trace import trace
from sgdlab.diagnostics.modules import risk_of_module
from sgdlab.diagnostics.risk import EmpiricalRisk
from sgdlab.errors import UserError


def test_it_is_unbiased_and_knows_its_error(small):
    product, exact = HessianProduct(small.risk()), small.hessian().trace().item()
    estimates = [trace(product, examples_per_probe=4, seed=seed) for seed in range(60)]
    values = torch.tensor([e.value.item() for e in estimates])
    stated = torch.tensor([e.standard_error.item() for e in estimates]).square().mean().sqrt()
    assert abs(values.mean() - exact) < 3 * values.std() / 60**0.5
    # two passes give each variance one degree of freedom a group: over 60 seeds the ratio is known to 10 %
    assert stated / values.std() == pytest.approx(1, abs=0.3)


def test_signs_of_their_own_beat_shared_ones(small):
    """Eight groups that are alike make one pass as good as eight probes: the spread is 1/√8 = 0.35."""
    product = HessianProduct(small.risk().on(torch.arange(23).repeat(8)))
    shared, own = (
        torch.tensor(
            [trace(product, examples_per_probe=size, seed=seed).value.item() for seed in range(40)]
        ).std()
        for size in (8 * 23, 23)
    )
    assert own < 0.5 * shared


def test_gauss_newton_of_a_linear_model_is_exact_where_the_matrix_is_diagonal():
    model = nn.Linear(1, 1, bias=False).double()
    inputs = torch.arange(6, dtype=torch.float64).unsqueeze(1)
    risk = risk_of_module(model, lambda z, t: (z - t).square().squeeze(1) / 2, inputs, inputs)
    found = trace(GaussNewtonProduct(risk))
    assert found.value.item() == pytest.approx(inputs.square().mean().item())
    assert found.standard_error.item() == pytest.approx(0, abs=1e-12)


def test_the_l2_term_adds_a_number_a_parameter():
    risk = EmpiricalRisk(
        outputs=lambda parameters, examples: parameters[0].unsqueeze(1).expand(-1, len(examples), -1),
        losses=lambda w, _: w.square().sum(dim=2) / 2,
        parameters=(torch.ones(2, 7),),
        examples=torch.arange(5),
        chunk_size=5,
        l2=torch.tensor([0.0, 0.5]),
    )
    assert trace(HessianProduct(risk)).value.tolist() == pytest.approx([7, 10.5])


def test_numbers_out_of_range_are_refused(small):
    product = HessianProduct(small.risk())
    with pytest.raises(UserError, match="num_passes=1 must be at least 2"):
        trace(product, num_passes=1)
    with pytest.raises(UserError, match="examples_per_probe=0 must be at least 1"):
        trace(product, examples_per_probe=0)
