"""Products, eigenvalues, traces and spectra against curvlinops and PyHessian, on an MLP and a small CNN."""

import numpy as np
import pytest
import torch
from torch import nn

from sgdlab.diagnostics.curvature.eigenpairs import top_eigenpairs
from sgdlab.diagnostics.curvature.products import GaussNewtonProduct, HessianProduct
from sgdlab.diagnostics.curvature.spectral_density import spectral_density
from sgdlab.diagnostics.curvature.trace import trace
from sgdlab.diagnostics.modules import risk_of_module

curvlinops = pytest.importorskip("curvlinops", reason="curvlinops is not installed")
pyhessian = pytest.importorskip("pyhessian", reason="PyHessian is not installed")


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 6), nn.Tanh(), nn.Linear(6, 4))


def cnn():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 4)
    )


@pytest.fixture(params=[mlp, cnn], ids=["mlp", "cnn"])
def problem(request):
    torch.manual_seed(0)
    model = request.param().double()
    return model, torch.randn(20, 3, 4, 4, dtype=torch.float64), torch.arange(20) % 4


def risk_of(problem):
    model, inputs, labels = problem
    return risk_of_module(model, nn.CrossEntropyLoss(reduction="none"), inputs, labels, chunk_size=6)


def of_curvlinops(kind, problem):
    model, inputs, labels = problem
    batches = list(zip(inputs.split(7), labels.split(7), strict=True))  # unlike our chunks
    return kind(model, nn.CrossEntropyLoss(), list(model.parameters()), batches)


@pytest.mark.parametrize(
    ("product", "kind"),
    [(HessianProduct, "HessianLinearOperator"), (GaussNewtonProduct, "GGNLinearOperator")],
)
def test_products_are_those_of_curvlinops_to_rounding(problem, product, kind):
    ours, theirs = product(risk_of(problem)), of_curvlinops(getattr(curvlinops, kind), problem)
    vector = torch.randn(ours.shape, dtype=torch.float64)
    torch.testing.assert_close(ours(vector)[0], theirs @ vector[0], rtol=1e-10, atol=1e-12)


def test_the_top_eigenvalue_is_that_of_pyhessian(problem):
    model, inputs, labels = problem
    found = top_eigenpairs(HessianProduct(risk_of(problem)), tolerance=1e-8)
    computer = pyhessian.hessian(model, nn.CrossEntropyLoss(), data=(inputs, labels), cuda=False)
    values, _ = computer.eigenvalues(maxIter=2000, tol=1e-10)
    # power iteration finds the largest in magnitude (here it is positive), and stops where its value settles
    assert found.values[0].tolist() == pytest.approx(values, rel=1e-5)


def test_traces_agree_within_the_stated_errors(problem):
    model, inputs, labels = problem
    ours = trace(HessianProduct(risk_of(problem)), num_passes=10, examples_per_probe=2)
    torch.manual_seed(0)
    computer = pyhessian.hessian(model, nn.CrossEntropyLoss(), data=(inputs, labels), cuda=False)
    theirs = np.array(computer.trace(maxIter=400, tol=0))
    error = (ours.standard_error.item() ** 2 + theirs.var(ddof=1) / len(theirs)) ** 0.5
    assert abs(ours.value.item() - theirs.mean()) < 3 * error
    exact = of_curvlinops(curvlinops.HessianLinearOperator, problem) @ torch.eye(
        ours_size(problem), dtype=torch.float64
    )
    assert abs(ours.value.item() - exact.trace().item()) < 3 * ours.standard_error.item()


def ours_size(problem):
    return sum(parameter.numel() for parameter in problem[0].parameters())


def test_spectra_agree_within_the_stated_errors(problem):
    """The mean and the spread of the two estimated densities; a grid's density is not exact to more."""
    found = spectral_density(HessianProduct(risk_of(problem)), num_nodes=15, num_vectors=10)
    operator = of_curvlinops(curvlinops.HessianLinearOperator, problem)
    moments = []
    for seed in range(4):
        torch.manual_seed(seed)
        grid, density = curvlinops.lanczos_approximate_spectrum(operator, 15, num_points=1024, num_repeats=2)
        grid, density = np.asarray(grid), np.asarray(density)
        moments.append([(density * grid**power).sum() / density.sum() for power in (1, 2)])
    for power, theirs in zip((1, 2), np.transpose(moments), strict=True):
        mean, error = found.mean_of(lambda x, power=power: x**power)
        spread = (error.item() ** 2 + theirs.var(ddof=1) / len(theirs)) ** 0.5
        assert abs(mean.item() - theirs.mean()) < 4 * spread
