"""A measurement of a stored model as rows, as figures, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sgdlab.analysis.series import FigureSeries, PanelSeries, Series
from sgdlab.diagnostics.curvature.eigenpairs import Eigenpairs
from sgdlab.diagnostics.estimate import Estimate
from sgdlab.measuring.measurement import Measurement

_NUM_GRID = 200
_WIDTH = 0.01  # of a bell, as a part of the spectrum's width


def rows(measured: Measurement) -> list[tuple[str, str, str]]:
    """Return what people read: what it is, its value, and its error."""
    b, moments, met = measured.batch_size, measured.moments, measured.interaction
    rate = measured.model.run.optimizer.lr
    stable = 2 / rate * moments.concentration(b).value
    found = [
        ("training cost C, with the L2 term", _number(measured.cost), ""),
        ("‖∇C‖² = tr S_n", _number(moments.gradient_norm_sq.value), ""),
        ("Γ = tr Σ, of one example's gradient", _number(moments.noise_trace.value), ""),
        (f"C_reg, mean over partitions, B = {b}", _number(moments.implicit_regularizer(b).value), ""),
        (f"tr S_b, b = {b}", _number(moments.second_moment_trace(b).value), ""),
        (f"ρ_b, b = {b}", _number(moments.concentration(b).value), ""),
        ("mean resultant length R̄_1", _number(measured.resultant.length), ""),
        _estimate_row("tr H", measured.hessian_trace),
        _estimate_row("tr G (Gauss-Newton)", measured.gauss_newton_trace),
        ("tr(H S_n) = ∇CᵀH∇C", _number(met.of_mean), ""),
        _estimate_row("tr(H S_1)", met.of_examples),
        _estimate_row(f"tr(H S_b), b = {b}", met.with_batches(b)),
        _estimate_row(f"‖H‖_S_b, b = {b}", measured.batch_sharpness(b)),
        (f"2ρ_b/ε, ε = {rate:g}: stable below", _number(stable), ""),
        ("|cos(q₁, ∇C)|", _number(measured.alignment), ""),
    ]
    found += _pair_rows("λ_{} of H", measured.hessian)
    return found + _pair_rows("λ_{} of Σ", measured.covariance)


def record(measured: Measurement) -> dict[str, Any]:
    """Return everything ready for JSON."""
    moments, met, model = measured.moments, measured.interaction, measured.model
    return {
        "key": model.key,
        "update": model.update,
        "num_updates": model.run.num_updates,
        "num_examples": measured.num_examples,
        "cost": measured.cost,
        "gradient_norm_sq": moments.gradient_norm_sq.value.item(),
        "noise_trace": moments.noise_trace.value.item(),
        "resultant_length": measured.resultant.length.item(),
        "alignment": measured.alignment,
        "hessian": _pairs_record(measured.hessian),
        "gradient_covariance": _pairs_record(measured.covariance),
        "hessian_trace": _estimate_record(measured.hessian_trace),
        "gauss_newton_trace": _estimate_record(measured.gauss_newton_trace),
        "interaction_of_mean": met.of_mean.item(),
        "interaction_of_examples": _estimate_record(met.of_examples),
        "by_batch_size": [_of_batch_size(measured, b) for b in measured.batch_sizes],
    }


def figures(measured: Measurement) -> dict[str, FigureSeries]:
    """Draw the spectrum, and what grows and falls with the batch size: name → figure."""
    return {"spectrum": _spectrum(measured), "batch-size": _by_batch_size(measured)}


def _spectrum(measured: Measurement) -> FigureSeries:
    panel = PanelSeries("main", "spectrum of the Hessian", "linear", (_density(measured),), None)
    bells = f"Each eigenvalue is spread by {_WIDTH:.0%} of the spectrum's width. Band: one standard error."
    return FigureSeries(
        name=f"measure-{measured.model.key[:8]}",
        title="spectrum of the Hessian",
        kind="trajectories",
        x_label="eigenvalue",
        y_label="eigenvalues per unit",
        y_scale="log",
        panels=(panel,),
        caption=(_origin(measured), bells),
    )


def _by_batch_size(measured: Measurement) -> FigureSeries:
    moments, sizes, rate = measured.moments, measured.batch_sizes, measured.model.run.optimizer.lr
    second = [moments.second_moment_trace(b).value.item() for b in sizes]
    bound = [2 * moments.concentration(b).value.item() / rate for b in sizes]
    sharpness = [measured.batch_sharpness(b) for b in sizes]
    values = [found.value.item() for found in sharpness]
    errors = [found.standard_error.item() for found in sharpness]
    panels = (
        PanelSeries(
            "noise",
            "second moment of a batch's gradient",
            "log2",
            (_series("tr $S_b$", sizes, second),),
            None,
            y_label="tr $S_b$",
        ),
        PanelSeries(
            "interaction",
            "interaction-aware sharpness",
            "log2",
            (_series("$\\|H\\|_{S_b}$", sizes, values, errors), _series("$2\\rho_b/ε$", sizes, bound)),
            None,
            y_label="eigenvalue",
        ),
    )
    return FigureSeries(
        name=f"measure-{measured.model.key[:8]}",
        title="batch sizes",
        kind="curves",
        x_label="batch size b",
        y_label="tr $S_b$",
        y_scale="log",
        panels=panels,
        caption=(
            _origin(measured),
            "SGD is stable where the sharpness lies below 2ρ_b/ε. Bars: one standard error.",
        ),
    )


def _origin(measured: Measurement) -> str:
    model = measured.model
    where = "its final weights" if model.is_final else f"a checkpoint at update {model.update:,}"
    return f"Run {model.key}, {where}; over {measured.num_examples:,} training examples."


def _density(measured: Measurement) -> Series:
    nodes = measured.density.nodes
    low, high = nodes.min().item(), nodes.max().item()
    grid = torch.linspace(low - 0.03 * (high - low), high + 0.03 * (high - low), _NUM_GRID)
    density, error = measured.density.density(grid, _WIDTH * (high - low))
    count = measured.density.num_parameters
    values, errors = (count * density[0]).tolist(), (count * error[0]).tolist()
    floor = 1e-3 / (high - low)  # a thousandth of an eigenvalue over the whole width: nothing
    shown = [value if value > floor else None for value in values]
    return _series("density of eigenvalues", grid.tolist(), shown, errors)


def _series(label: str, x: list[Any], y: Sequence[float | None], error: Sequence[float] = ()) -> Series:
    nothing = (None,) * len(x)
    return Series(label, label, tuple(x), tuple(y), tuple(error) or nothing, nothing, "", (1,) * len(x))


def _of_batch_size(measured: Measurement, b: int) -> dict[str, Any]:
    moments = measured.moments
    return {
        "batch_size": b,
        "second_moment_trace": moments.second_moment_trace(b).value.item(),
        "concentration": moments.concentration(b).value.item(),
        "implicit_regularizer": moments.implicit_regularizer(b).value.item(),
        "interaction": _estimate_record(measured.interaction.with_batches(b)),
        "batch_sharpness": measured.batch_sharpness(b).value.item(),
    }


def _pair_rows(label: str, pairs: Eigenpairs) -> list[tuple[str, str, str]]:
    found = zip(pairs.values[0].tolist(), pairs.residuals[0].tolist(), strict=True)
    return [(label.format(k), _number(v), f"{_number(r)} (residual)") for k, (v, r) in enumerate(found, 1)]


def _pairs_record(pairs: Eigenpairs) -> dict[str, Any]:
    return {
        "eigenvalues": pairs.values[0].tolist(),
        "residuals": pairs.residuals[0].tolist(),
        "has_converged": bool(pairs.has_converged[0]),
        "num_products": pairs.num_products,
    }


def _estimate_row(label: str, estimate: Estimate) -> tuple[str, str, str]:
    return label, _number(estimate.value), _number(estimate.standard_error)


def _estimate_record(estimate: Estimate) -> dict[str, float]:
    return {"value": estimate.value.item(), "standard_error": estimate.standard_error.item()}


def _number(value: Tensor | float) -> str:
    return f"{float(value):.4g}"
