"""The pictures of docs/penalty.md: medians over draws with their 10–90 % bands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from differences.product_error import Band
from differences.setting import ACTIVATIONS, VARIED
from differences.study import DEFAULT_RADIUS, PRECISIONS, TOLERABLE, Study
from differences.training_effect import STRENGTH, TrainingEffect
from sgdlab.figures.style import COLOURS as PALETTE
from sgdlab.figures.style import styled

_BLUE, _RED, _GREEN = PALETTE[:3]
COLOURS = {"forward": _RED, "central": _BLUE}
ACTIVATION_COLOURS = {"relu": _RED, "tanh": _BLUE, "gelu": _GREEN}
_EXACT, _PLAIN = _GREEN, "#777777"
_MARKERS = {"relu": "o", "tanh": "s", "gelu": "x"}  # seen through each other
_LINES = {"fresh": "--", "trained": "-"}
_NAMES = {"relu": "ReLU", "gelu": "GELU", "batch_size": "batch size", "depth": "hidden layers"}
_STATES = {"fresh": "freshly initialised", "trained": "trained for 8 epochs"}
_RADIUS = "step length r = ‖δω‖"


def draw_all(study: Study, folder: Path) -> list[Path]:
    """Draw every picture into the folder as PNG; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures: dict[str, Callable[[Study], Figure]] = {
        "penalty-product": _product_errors,
        "penalty-shape": _shapes,
        "penalty-direction": _directions,
        "penalty-training": _training,
    }
    written = []
    with styled():
        for name, make in pictures.items():
            path = folder / f"{name}.png"
            make(study).savefig(path, dpi=150, metadata={"Software": None})
            written.append(path)
    return written


def _product_errors(study: Study) -> Figure:
    figure, panels = _panels(len(PRECISIONS), len(ACTIVATIONS), (9.6, 6.0), sharey="row")
    for row, precision in zip(panels, PRECISIONS, strict=True):
        for axes, activation in zip(row, ACTIVATIONS, strict=True):
            for name, colour in COLOURS.items():
                for state, line in _LINES.items():
                    errors = study.by_radius[precision, activation, state, name]
                    _draw_band(axes, study.budget.radii, errors.band, colour, line)
            axes.set(xscale="log", yscale="log", title=f"{_NAMES.get(activation, activation)}, {precision}")
            axes.axhline(TOLERABLE, color="#333333", linestyle=":", linewidth=1)
            axes.axvline(DEFAULT_RADIUS, color="#999999", linestyle=":", linewidth=1)
        row[0].set_ylabel("relative error of H·g")
    for axes in panels[-1]:
        axes.set_xlabel(_RADIUS)
    _legend(figure, _entries(COLOURS, "{} difference"), _state_entries(), _dotted("0.1, and the default r"))
    return figure


def _shapes(study: Study) -> Figure:
    figure, panels = _panels(2, len(VARIED), (9.6, 5.8), sharey="row")
    for (above, below), (name, values) in zip(panels.T, VARIED.items(), strict=True):
        for activation, colour in ACTIVATION_COLOURS.items():
            for state, line in _LINES.items():
                errors = study.by_shape[name, activation, state]
                marker = _MARKERS[activation]
                _draw_band(above, values, errors.band, colour, line, marker)
                below.plot(values, errors.share_above, line, color=colour, marker=marker, fillstyle="none")
        above.set_yscale("log")
        for axes in (above, below):
            axes.set_xscale("log", base=2)
            axes.set_xticks(values, map(str, values))
            axes.xaxis.set_minor_locator(NullLocator())
        below.set_xlabel(_NAMES.get(name, name))
        below.set_ylim(-0.03, 1.03)
        above.axhline(TOLERABLE, color="#333333", linestyle=":", linewidth=1)
    panels[0, 0].set_ylabel("relative error of H·g")
    panels[1, 0].set_ylabel("share of draws with error above 0.1")
    _legend(figure, _entries(ACTIVATION_COLOURS), _state_entries(), _dotted("0.1"))
    return figure


def _directions(study: Study) -> Figure:
    figure, panels = _panels(2, len(COLOURS), (8.6, 6.0), sharey="row")
    for (above, below), estimator in zip(panels.T, COLOURS, strict=True):
        for activation, colour in ACTIVATION_COLOURS.items():
            for state, line in _LINES.items():
                found = study.directions[activation, state, estimator]
                _draw_band(above, study.budget.radii, found.angle, colour, line)
                _draw_band(below, study.budget.radii, found.norm_ratio, colour, line)
        above.set(title=f"{estimator} difference, λ = {STRENGTH:g}", xscale="log", yscale="log")
        below.set(xlabel=_RADIUS, xscale="log", yscale="log")
        below.axhline(1, color="#333333", linestyle=":", linewidth=1)
    panels[0, 0].set_ylabel("angle to the exact direction (degrees)")
    panels[1, 0].set_ylabel("norm / norm of the exact direction")
    _legend(figure, _entries(ACTIVATION_COLOURS), _state_entries(), _dotted("equal norms"))
    return figure


def _training(study: Study) -> Figure:
    figure, panels = _panels(3, len(study.training), (8.6, 8.2), sharex=True, sharey="row")
    for (whole, top, errors), effect in zip(panels.T, study.training, strict=True):
        activation = effect.setting.activation
        for axes in (whole, top):
            _draw_accuracies(axes, effect)
        _draw_reported_errors(errors, effect)
        whole.set(title=f"{_NAMES.get(activation, activation)}, λ = {STRENGTH:g}", ylim=(-0.1, 1.03))
        errors.set(xlabel=_RADIUS, xscale="log", yscale="log")
        errors.axhline(TOLERABLE, color="#333333", linestyle=":", linewidth=1)
    levels = [outcome.mean for effect in study.training for outcome in (effect.plain, effect.exact)]
    panels[1, 0].set_ylim(min(levels) - 0.04, max(levels) + 0.01)
    panels[0, 0].set_ylabel("test accuracy ± s.e.")
    panels[1, 0].set_ylabel("the same, its top")
    panels[2, 0].set_ylabel("penalty_relative_error.worst")
    lines = {"exact": Line2D([], [], color=_EXACT), "no penalty": Line2D([], [], color=_PLAIN)}
    crosses = {"some runs diverged": Line2D([], [], color="#333333", marker="x", linestyle="none")}
    _legend(figure, _entries(COLOURS, "{} difference"), lines, crosses, _dotted("0.1"))
    return figure


def _draw_accuracies(axes: Axes, effect: TrainingEffect) -> None:
    for outcome, colour in ((effect.exact, _EXACT), (effect.plain, _PLAIN)):
        axes.axhline(outcome.mean, color=colour, linewidth=1.3)
        low, high = outcome.mean - outcome.standard_error, outcome.mean + outcome.standard_error
        axes.axhspan(low, high, color=colour, alpha=0.2, linewidth=0)
    for shift, (estimator, colour) in zip((0.88, 1.14), COLOURS.items(), strict=True):
        for outcome in getattr(effect, estimator):
            x = outcome.regularizer.difference_radius * shift  # side by side
            axes.errorbar(x, outcome.mean, outcome.standard_error, color=colour, marker="o", markersize=4)
            if outcome.num_diverged:
                axes.plot(x, -0.04, "x", color=colour)


def _draw_reported_errors(axes: Axes, effect: TrainingEffect) -> None:
    for estimator, colour in COLOURS.items():
        finished = [outcome for outcome in getattr(effect, estimator) if len(outcome.worst_error)]
        radii = [outcome.regularizer.difference_radius for outcome in finished]
        quantiles = np.array([np.quantile(outcome.worst_error, [0.5, 0.1, 0.9]) for outcome in finished])
        _draw_band(axes, radii, Band(*quantiles.reshape(-1, 3).T), colour, "-", marker="o")


def _panels(rows: int, columns: int, size: tuple[float, float], **shared: Any) -> tuple[Figure, Any]:
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **shared)


def _draw_band(
    axes: Axes, xs: Iterable[float], band: Band, colour: str, line: str, marker: str | None = None
) -> None:
    xs = list(xs)
    axes.plot(
        xs, band.median, line, color=colour, linewidth=1.4, marker=marker, markersize=4, fillstyle="none"
    )
    axes.fill_between(xs, band.low, band.high, color=colour, alpha=0.13, linewidth=0)


def _entries(colours: dict[str, str], text: str = "{}") -> dict[str, Line2D]:
    return {text.format(_NAMES.get(name, name)): Line2D([], [], color=c) for name, c in colours.items()}


def _state_entries() -> dict[str, Line2D]:
    return {_STATES[state]: Line2D([], [], color="#555555", linestyle=line) for state, line in _LINES.items()}


def _dotted(text: str) -> dict[str, Line2D]:
    return {text: Line2D([], [], color="#555555", linestyle=":", linewidth=1)}


def _legend(figure: Figure, *groups: dict[str, Line2D]) -> None:
    handles = {name: line for group in groups for name, line in group.items()}
    columns: Sequence[str] = list(handles)
    figure.legend(handles.values(), columns, loc="outside lower center", ncols=min(6, len(columns)))
