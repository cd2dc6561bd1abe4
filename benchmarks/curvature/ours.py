"""The top eigenvalue, the trace and the interaction as sgdlab measures them."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from curvature.problem import Problem
from sgdlab.diagnostics.curvature.eigenpairs import top_eigenpairs
from sgdlab.diagnostics.curvature.interaction import interaction
from sgdlab.diagnostics.curvature.products import HessianProduct
from sgdlab.diagnostics.curvature.trace import trace
from sgdlab.diagnostics.modules import risk_of_module


def eigenvalue(problem: Problem, tolerance: float) -> dict[str, float]:
    """Find the top eigenvalue, from the gradient on."""
    return _eigenvalue(_product(problem), tolerance)


def eigenvalue_with_kept_graphs(problem: Problem, tolerance: float) -> dict[str, float]:
    """The same, and the graph of every chunk's gradient is kept: more memory, less time."""
    return _eigenvalue(replace(_product(problem), num_kept=problem.setting.num_examples), tolerance)


def _eigenvalue(product: HessianProduct, tolerance: float) -> dict[str, float]:
    found = top_eigenpairs(product, tolerance=tolerance, start=product.risk.gradient())
    value, residual = found.values[0, 0].item(), found.residuals[0, 0].item()
    return {"value": value, "residual": residual / value, "num_products": found.num_products}


def trace_estimate(problem: Problem, num_passes: float) -> dict[str, float]:
    """Estimate the trace."""
    found = trace(
        _product(problem),
        num_passes=int(num_passes),
        examples_per_probe=problem.setting.examples_per_probe,
    )
    return {"value": found.value.item(), "standard_error": found.standard_error.item()}


def one_batch_size(problem: Problem, _unused: float) -> dict[str, float]:
    """Estimate tr(H S_b) for b = 32."""
    found = interaction(_product(problem))
    return {"value": found.with_batches(32).value.item()}


def all_batch_sizes(problem: Problem, _unused: float) -> dict[str, float]:
    """Estimate tr(H S_b) for every b from 1 to N."""
    found = interaction(_product(problem))
    sizes = range(1, problem.setting.num_examples + 1)
    return {"value": sum(found.with_batches(b).value.item() for b in sizes)}


def _product(problem: Problem) -> HessianProduct:
    loss = nn.CrossEntropyLoss(reduction="none")
    risk = risk_of_module(
        problem.model, loss, problem.inputs, problem.labels, chunk_size=problem.setting.chunk_size
    )
    return HessianProduct(risk)
