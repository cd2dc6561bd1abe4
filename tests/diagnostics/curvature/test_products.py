"""Products against the dense matrix of torch's own `hessian`, and against differences of gradients."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from sgdlab.diagnostics.curvature.products import GaussNewtonProduct, HessianProduct
from sgdlab.diagnostics.modules import risk_of_module
from sgdlab.diagnostics.risk import EmpiricalRisk, NotFiniteError
from sgdlab.diagnostics.vectors import shape_like
from sgdlab.errors import UserError


def some_rows(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("chunk_size", [1, 7, 23, 100])
def test_hessian_products_are_those_of_the_dense_matrix(small, chunk_size):
    vector = some_rows((1, 35))
    found = HessianProduct(small.risk(chunk_size=chunk_size))(vector)
    torch.testing.assert_close(found[0], small.hessian() @ vector[0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("num_kept", "num_computed"), [(0, 12), (1, 10), (3, 6), (9, 4)])
def test_gradients_that_are_kept_are_computed_once(small, num_kept, num_computed):
    """Four chunks, three products: a chunk that is kept is computed once, another one each time."""
    risk, calls = small.risk(chunk_size=6), []

    def outputs(parameters, examples):
        calls.append(len(examples))
        return risk.outputs(parameters, examples)

    product = HessianProduct(replace(risk, outputs=outputs), num_kept=num_kept)
    calls.clear()
    vectors = [some_rows((1, 35), seed) for seed in range(3)]
    found = [product(vector)[0] for vector in vectors]
    assert len(calls) == num_computed
    for vector, got in zip(vectors, found, strict=True):
        torch.testing.assert_close(got, small.hessian() @ vector[0], rtol=1e-10, atol=1e-12)


def test_hessian_products_are_differences_of_gradients(small):
    risk, vector, step = small.risk(), some_rows((1, 35)), 1e-5

    def gradient(rows):
        return risk.at(shape_like(rows, risk.parameters)).gradient()

    ahead, behind = gradient(risk.point() + step * vector), gradient(risk.point() - step * vector)
    torch.testing.assert_close(HessianProduct(risk)(vector), (ahead - behind) / (2 * step), rtol=0, atol=1e-8)


def test_gauss_newton_is_the_jacobians_round_the_losses_own_hessian(small):
    risk = small.risk(chunk_size=5)
    expected = torch.zeros(35, 35, dtype=torch.float64)
    for example in range(23):

        def outputs(rows, example=example):
            return risk.outputs(shape_like(rows[None], risk.parameters), torch.tensor([example]))[0, 0]

        jacobian = torch.autograd.functional.jacobian(outputs, small.point)
        p = torch.softmax(outputs(small.point), dim=0)
        expected += jacobian.T @ (torch.diag(p) - torch.outer(p, p)) @ jacobian / 23
    vector = some_rows((1, 35))
    found = GaussNewtonProduct(risk)(vector)
    torch.testing.assert_close(found[0], expected @ vector[0], rtol=1e-10, atol=1e-12)


def test_both_are_one_where_the_outputs_are_linear():
    inputs, labels = some_rows((20, 3)), torch.arange(20) % 4
    risk = risk_of_module(nn.Linear(3, 4).double(), nn.CrossEntropyLoss(reduction="none"), inputs, labels)
    vector = some_rows((1, 16))
    torch.testing.assert_close(GaussNewtonProduct(risk)(vector), HessianProduct(risk)(vector))


def test_runs_side_by_side_are_as_each_alone_with_its_own_l2():
    matrices = torch.stack([m @ m.T for m in some_rows((3, 4, 4))])
    risk = EmpiricalRisk(
        outputs=lambda parameters, examples: parameters[0].unsqueeze(1).expand(-1, len(examples), -1),
        losses=lambda w, _: torch.einsum("rbi,rij,rbj->rb", w, matrices, w) / 2,
        parameters=(some_rows((3, 4)),),
        examples=torch.arange(5),
        chunk_size=2,
        l2=torch.tensor([0.0, 0.5, 2.0], dtype=torch.float64),
    )
    vector = some_rows((3, 4), seed=1)
    expected = torch.stack([m @ v for m, v in zip(matrices, vector, strict=True)]) + risk.l2[:, None] * vector
    for product in (HessianProduct(risk), GaussNewtonProduct(risk)):
        torch.testing.assert_close(product(vector), expected)


def test_a_loss_that_is_linear_in_the_parameters_has_no_curvature():
    risk = EmpiricalRisk(
        outputs=lambda parameters, examples: parameters[0].expand(1, len(examples)),
        losses=lambda outputs, _: outputs,
        parameters=(torch.ones(1, 1),),
        examples=torch.arange(3),
        chunk_size=2,
    )
    assert HessianProduct(risk)(torch.ones(1, 1)).tolist() == [[0.0]]


class Once(torch.autograd.Function):
    """Squares, and has a derivative but no second one."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        return 2 * ctx.saved_tensors[0] * gradient


class OnceDifferentiable(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))

    def forward(self, inputs):
        return Once.apply(inputs @ self.weight)


def test_a_model_without_second_derivatives_is_refused_by_name():
    risk = risk_of_module(
        OnceDifferentiable(), lambda z, t: (z - t).square(), torch.ones(3, 2), torch.zeros(3)
    )
    with pytest.raises(UserError, match="an operation without a second derivative"):
        HessianProduct(risk)


def test_infinite_curvature_is_refused():
    risk = risk_of_module(
        nn.Linear(1, 1), lambda z, t: (1e30 * (z - t)).square().squeeze(1), torch.ones(2, 1), torch.ones(2, 1)
    )
    with pytest.raises(NotFiniteError, match="a curvature product isn't finite"):
        HessianProduct(risk)(torch.ones(1, 2))


def test_vectors_of_another_shape_are_refused(small):
    with pytest.raises(UserError, match=r"vectors of \(1, 34\) for matrices of \(1, 35\)"):
        HessianProduct(small.risk())(torch.ones(1, 34))
