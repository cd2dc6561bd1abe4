"""The same by PyHessian, and by curvlinops' operators with SciPy's eigensolver and its own estimators."""

from __future__ import annotations

from collections.abc import Callable

import curvlinops
import numpy as np
import torch
from pyhessian import hessian
from pyhessian.utils import normalization
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import nn

from curvature.problem import Problem


def pyhessian_eigenvalue(problem: Problem, tolerance: float) -> dict[str, float]:
    """Go on with PyHessian's power iteration until its own vector has the residual that is asked for.

    Its own rule stops by the change of the value; only the rule is replaced, each step is its own.
    """
    computer = _pyhessian(problem)
    generator = torch.Generator().manual_seed(0)
    vector = normalization([torch.randn(p.shape, generator=generator).to(p) for p in computer.params])
    num_products, rest, value = 0, 1.0, 0.0
    while rest > tolerance * abs(value):
        num_products += 1
        value, product = computer.dataloader_hv_product(vector)
        rest = sum(((h - value * v) ** 2).sum() for h, v in zip(product, vector, strict=True)).sqrt().item()
        vector = normalization(product)
    return {"value": value, "residual": rest / abs(value), "num_products": num_products}


def scipy_eigenvalue(problem: Problem, tolerance: float) -> dict[str, float]:
    """Let SciPy's eigsh find the top eigenvalue of curvlinops' Hessian, with its own defaults."""
    return _eigsh(problem, tolerance, None)


def scipy_short_eigenvalue(problem: Problem, tolerance: float) -> dict[str, float]:
    """The same with ncv=8: it looks at its residual after every few products."""
    return _eigsh(problem, tolerance, 8)


def pyhessian_trace(problem: Problem, num_probes: float) -> dict[str, float]:
    """Estimate the trace by PyHessian's Hutchinson estimator with so many probes."""
    torch.manual_seed(0)
    values = _pyhessian(problem).trace(maxIter=int(num_probes), tol=0.0)
    return _of_probes(np.array(values))


def curvlinops_hutchinson(problem: Problem, num_probes: float) -> dict[str, float]:
    """Estimate the trace by curvlinops' Hutchinson estimator, one probe at a time for its spread."""
    operator = _curvlinops(problem)
    torch.manual_seed(0)
    values = [float(curvlinops.hutchinson_trace(operator, 1)) for _ in range(int(num_probes))]
    return _of_probes(np.array(values))


def curvlinops_hutchpp(problem: Problem, num_products: float) -> dict[str, float]:
    """Estimate it by Hutch++, three times for its spread; the time told is of one."""
    num = 3 * (int(num_products) // 3)
    return _repeated(problem, lambda operator: curvlinops.hutchpp_trace(operator, num))


def curvlinops_xtrace(problem: Problem, num_products: float) -> dict[str, float]:
    """Estimate it by XTrace, three times for its spread; the time told is of one."""
    num = 2 * (int(num_products) // 2)
    return _repeated(problem, lambda operator: curvlinops.xtrace(operator, num))


def _repeated(problem: Problem, estimate: Callable[..., torch.Tensor]) -> dict[str, float]:
    operator, values = _curvlinops(problem), []
    for seed in range(_REPEATS):
        torch.manual_seed(seed)
        values.append(float(estimate(operator)))
    spread = float(np.std(values, ddof=1))
    return {"value": float(np.mean(values)), "standard_error": spread, "repeats": _REPEATS}


_REPEATS = 3


def _of_probes(values: np.ndarray) -> dict[str, float]:
    error = values.std(ddof=1) / np.sqrt(len(values))
    return {"value": float(values.mean()), "standard_error": float(error), "num_probes": len(values)}


def _eigsh(problem: Problem, tolerance: float, ncv: int | None) -> dict[str, float]:
    operator = _curvlinops(problem)
    size, calls = operator.shape[0], []
    device = problem.inputs.device

    def multiply(vector: np.ndarray) -> np.ndarray:
        calls.append(1)
        column = torch.from_numpy(vector.astype(np.float32)).to(device).unsqueeze(1)
        return (operator @ column).squeeze(1).detach().cpu().numpy()

    as_scipy = LinearOperator((size, size), matvec=multiply, dtype=np.float32)
    start = np.random.default_rng(0).standard_normal(size).astype(np.float32)
    values, vectors = eigsh(as_scipy, k=1, which="LA", tol=tolerance, ncv=ncv, v0=start)
    num_products = len(calls)
    rest = np.linalg.norm(multiply(vectors[:, 0]) - values[0] * vectors[:, 0])
    return {"value": float(values[0]), "residual": float(rest / values[0]), "num_products": num_products}


def _curvlinops(problem: Problem) -> curvlinops.HessianLinearOperator:
    parameters = [p for p in problem.model.parameters() if p.requires_grad]
    return curvlinops.HessianLinearOperator(
        problem.model, nn.CrossEntropyLoss(), parameters, problem.batches(), check_deterministic=False
    )


def _pyhessian(problem: Problem) -> hessian:
    problem.model.zero_grad()
    is_cuda = problem.inputs.is_cuda
    return hessian(problem.model, nn.CrossEntropyLoss(), dataloader=problem.batches(), cuda=is_cuda)
