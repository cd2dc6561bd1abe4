"""The penalty's gradient against closed forms on quadratics, and against differences of ‖∇C‖² itself."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sgdlab.config.components import GradientNormRegularizer, NoRegularizer
from sgdlab.models.mlp import Mlp
from sgdlab.models.wide_resnet import WideResNet
from sgdlab.training.objective import Minibatches, Objective
from sgdlab.training.penalty import DifferencePenalty, Penalties, update_direction

ESTIMATORS = ["exact", "forward_difference", "central_difference"]
STRENGTHS = [0.0, 0.5, 3.0]
L2 = [0.0, 0.1, 0.7]


class Quadratic:
    """A network whose cross-entropy on label 0 is 1 + ½wᵀAw: its inputs are the matrices A."""

    def logits(self, parameters, inputs, _training=None):
        cost = 1 + torch.einsum("ri,rbij,rj->rb", parameters["w"], inputs, parameters["w"]) / 2
        return torch.stack([-torch.log(torch.expm1(cost)), torch.zeros_like(cost)], dim=2)


@pytest.fixture
def quadratic():
    """Three runs with four random positive matrices each: C_k = 1 + ½wᵀ(mean A)w."""
    generator = torch.Generator().manual_seed(3)
    factors = torch.randn(3, 4, 5, 5, generator=generator, dtype=torch.float64)
    matrices = factors @ factors.mT / 5
    w = torch.randn(3, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    return (w,), Minibatches(matrices, torch.zeros(3, 4, dtype=torch.int64)), matrices.mean(dim=1)


def direction_of(network, names, parameters, l2, strengths, estimator, radius=1e-3):
    like = parameters[0].detach()
    objective = Objective(network, names, like.new_tensor(l2) if any(l2) else None)
    regularizers = [
        GradientNormRegularizer(strength=strength, estimator=estimator, difference_radius=radius)
        for strength in strengths
    ]
    return update_direction(objective, Penalties.of(regularizers, like))


@pytest.mark.parametrize("l2", [[0.0, 0.0, 0.0], L2])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_on_a_quadratic_the_penalty_adds_half_lambda_A_squared_w(quadratic, estimator, l2) -> None:
    # C_k = ½wᵀHw with H = A + l2·I: g = Hw, and ∇(λ/4)‖Hw‖² = (λ/2)H²w. Differences of a linear gradient
    # are exact; rounding leaves 1e-16·‖g‖/r = 1e-12.
    (w,), batch, mean = quadratic
    losses, (gradient,) = direction_of(Quadratic(), ("w",), (w,), l2, STRENGTHS, estimator)((w,), batch)
    w, mean = w.detach().numpy(), mean.numpy()
    for run in range(3):
        hessian = mean[run] + l2[run] * np.eye(5)
        expected = hessian @ w[run] + STRENGTHS[run] / 2 * hessian @ hessian @ w[run]
        np.testing.assert_allclose(gradient[run].numpy(), expected, rtol=1e-10)
        cost = 1 + w[run] @ mean[run] @ w[run] / 2
        np.testing.assert_allclose(losses[run].item(), cost, rtol=1e-14)  # without the L2 term


def test_without_a_regularizer_the_direction_is_the_gradient(quadratic) -> None:
    (w,), batch, mean = quadratic
    objective = Objective(Quadratic(), ("w",), None)
    _, (gradient,) = update_direction(objective, Penalties.of([NoRegularizer()] * 3, w.detach()))((w,), batch)
    torch.testing.assert_close(gradient, (mean @ w.detach()[..., None])[..., 0], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_where_the_gradient_vanishes_the_product_does(quadratic, estimator) -> None:
    (w,), batch, _ = quadratic
    w = torch.zeros_like(w).requires_grad_()
    direction = direction_of(Quadratic(), ("w",), (w,), [0.0] * 3, STRENGTHS, estimator)
    assert torch.equal(direction((w,), batch)[1][0], torch.zeros_like(w))
    if isinstance(direction, DifferencePenalty):
        assert torch.equal(direction.relative_error((w,), batch), torch.zeros(3, dtype=torch.float64))


def cost(network, names, parameters, batch, run, l2):
    """C_k of one run, from its logits alone."""
    alone = {name: p[run : run + 1] for name, p in zip(names, parameters, strict=True)}
    mean = F.cross_entropy(network.logits(alone, batch.inputs[run : run + 1])[0], batch.labels[run])
    return mean + l2 / 2 * sum((p[run] ** 2).sum() for p in parameters)


def gradient_norm_sq(network, names, parameters, batch, run, l2):
    leaves = tuple(p.detach().requires_grad_() for p in parameters)
    gradients = torch.autograd.grad(cost(network, names, leaves, batch, run, l2), leaves)
    return sum((g[run] ** 2).sum() for g in gradients).item()


# Network, sample shape, step, tolerance. Along a random way of length about 12 the difference is wrong by
# (12·step)² of the slope at least, and by 1e-15/step from rounding.
NETWORKS = {
    "tanh": (Mlp((6, 7, 5, 10), "tanh"), (6,), 1e-5, 1e-6),
    "gelu": (Mlp((6, 7, 5, 10), "gelu"), (6,), 1e-5, 1e-6),
    # between kinks a ReLU network is as smooth; a step of 1e-6 crosses none here
    "relu": (Mlp((6, 7, 5, 10), "relu"), (6,), 1e-6, 1e-6),
    "wide_resnet": (WideResNet(10, 1, 2, 10), (2, 5, 5), 1e-6, 1e-6),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_exact_penalty_is_the_slope_of_the_squared_gradient(packed, kind) -> None:
    network, sample_shape, step, tolerance = NETWORKS[kind]
    names, parameters, batch = packed(network, 2, 3, sample_shape)
    strengths, l2 = [1.5, 4.0], [0.0, 0.3]
    _, modified = direction_of(network, names, parameters, l2, strengths, "exact")(parameters, batch)
    generator = torch.Generator().manual_seed(5)
    for run in range(2):
        plain = torch.autograd.grad(cost(network, names, parameters, batch, run, l2[run]), parameters)
        ways = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in parameters]
        norms = [
            gradient_norm_sq(network, names, moved, batch, run, l2[run])
            for sign in (1, -1)
            for moved in [[p.detach() + sign * step * way for p, way in zip(parameters, ways, strict=True)]]
        ]
        penalty_slope = strengths[run] / 4 * (norms[0] - norms[1]) / (2 * step)
        plain_slope = sum((g[run] * way[run]).sum() for g, way in zip(plain, ways, strict=True)).item()
        slope = sum((g[run] * way[run]).sum() for g, way in zip(modified, ways, strict=True)).item()
        assert abs(penalty_slope) > 1e-3 * abs(plain_slope)
        np.testing.assert_allclose(slope - plain_slope, penalty_slope, rtol=tolerance)


def true_relative_error(network, names, parameters, batch, run, gradient, product) -> float:
    """‖product − Hg‖/‖Hg‖ with H g from torch's own Hessian-vector product."""

    def cost_of(*leaves):
        return cost(network, names, leaves, batch, run, 0.0)

    vectors = tuple(torch.zeros_like(p) for p in parameters)
    for vector, g in zip(vectors, gradient, strict=True):
        vector[run] = g[run]
    leaves = tuple(p.detach() for p in parameters)
    _, exact = torch.autograd.functional.hvp(cost_of, leaves, vectors)
    error = sum(((p[run] - x[run]) ** 2).sum() for p, x in zip(product, exact, strict=True))
    return (error / sum((x[run] ** 2).sum() for x in exact)).sqrt().item()


@pytest.mark.parametrize(("estimator", "order"), [("forward_difference", 1), ("central_difference", 2)])
def test_differences_converge_at_their_order_where_the_network_is_smooth(packed, estimator, order) -> None:
    network, sample_shape, *_ = NETWORKS["tanh"]
    names, parameters, batch = packed(network, 2, 3, sample_shape)
    radii = 2.0 ** -np.arange(4, 10)
    errors = []
    for radius in radii:
        direction = direction_of(network, names, parameters, [0, 0], [1, 1], estimator, radius)
        _, gradient = direction.objective.gradients(parameters, batch)
        product = direction.product(parameters, batch, gradient)
        measured = direction.relative_error(parameters, batch)
        for run in range(2):
            true = true_relative_error(network, names, parameters, batch, run, gradient, product)
            np.testing.assert_allclose(measured[run].item(), true, rtol=1e-5)
        errors.append(measured.numpy())
    for run in range(2):
        slope = np.polyfit(np.log(radii), np.log(np.array(errors)[:, run]), 1)[0]
        assert abs(slope - order) < 0.1


@pytest.mark.parametrize("estimator", ESTIMATORS[1:])
def test_with_relu_the_reported_error_is_the_true_one_and_large(packed, estimator) -> None:
    network = Mlp((6, 30, 30, 10), "relu")
    names, parameters, batch = packed(network, 4, 3, (6,))
    direction = direction_of(network, names, parameters, [0] * 4, [1] * 4, estimator, 0.1)
    _, gradient = direction.objective.gradients(parameters, batch)
    product = direction.product(parameters, batch, gradient)
    measured = direction.relative_error(parameters, batch)
    for run in range(4):
        true = true_relative_error(network, names, parameters, batch, run, gradient, product)
        np.testing.assert_allclose(measured[run].item(), true, rtol=1e-9)
    assert measured.max() > 0.3


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_no_estimator_touches_the_parameters(packed, estimator) -> None:
    names, parameters, batch = packed(Mlp((6, 7, 10), "tanh"), 2, 3, (6,))
    before = copy.deepcopy([p.detach() for p in parameters])
    direction = direction_of(Mlp((6, 7, 10), "tanh"), names, parameters, [0, 0.1], [1, 1], estimator)
    _, gradient = direction(parameters, batch)
    assert all(torch.equal(p.detach(), b) for p, b in zip(parameters, before, strict=True))
    assert all(p.grad is None for p in parameters)
    assert not any(g.requires_grad for g in gradient)


def test_each_run_has_its_own_strength_and_step(packed) -> None:
    names, parameters, batch = packed(Mlp((6, 7, 10), "tanh"), 2, 3, (6,))
    network = Mlp((6, 7, 10), "tanh")
    objective = Objective(network, names, None)
    regularizers = [
        GradientNormRegularizer(strength=s, estimator="forward_difference", difference_radius=r)
        for s, r in [(1.0, 1e-2), (2.0, 1e-5)]
    ]
    direction = update_direction(objective, Penalties.of(regularizers, parameters[0].detach()))
    errors = direction.relative_error(parameters, batch)
    assert errors[0] > 100 * errors[1]  # O(r)
    plain = objective.gradients(parameters, batch)[1]
    _, exact = direction_of(network, names, parameters, [0, 0], [2.0, 2.0], "exact")(parameters, batch)
    half = (direction(parameters, batch)[1][0] - plain[0])[0] * 2
    torch.testing.assert_close(half, (exact[0] - plain[0])[0], rtol=0.05, atol=1e-3)
