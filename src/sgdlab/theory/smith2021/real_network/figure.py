"""The figure: what the modified flow leaves unexplained, the errors themselves, and the noise of the mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from sgdlab.analysis.series import FigureSeries, PanelSeries, Rule, Series
from sgdlab.theory.drawing import curve, order_line
from sgdlab.theory.group_statistics import deviation
from sgdlab.theory.smith2021.real_network.estimated import Statistic, estimate
from sgdlab.theory.smith2021.real_network.mean_iterate import MeanIterate
from sgdlab.theory.smith2021.real_network.measurements import (
    ONE_EPOCH,
    SMALL_BATCHES,
    SMALL_TIMES,
    Measurements,
)
from sgdlab.theory.smith2021.real_network.setting import Setting

_UNITY = Rule("mελ = 1", x=1.0)


def real_network_figure(setting: Setting, measured: Measurements, caption: tuple[str, ...]) -> FigureSeries:
    """Return the three panels; error bars are standard errors over the shuffles."""
    return FigureSeries(
        name="smith2021/real-network",
        title="SGD's mean iterate and the modified flow on a real network",
        kind="curves",
        x_label="mελ, an epoch's time × the top eigenvalue",
        y_label="share left unexplained",
        y_scale="log",
        panels=(_unexplained(setting, measured), _errors(setting, measured), _noise(setting, measured)),
        caption=caption,
    )


def _unexplained(setting: Setting, measured: Measurements) -> PanelSeries:
    few, many = setting.num_batches(ONE_EPOCH), setting.num_batches(SMALL_BATCHES)
    return PanelSeries(
        name="unexplained",
        title="Error of E C_SGD's flow / of C's flow",
        x_scale="log2",
        series=(
            _curve(f"m = {few}, 1 epoch", measured.one_epoch, MeanIterate.unexplained),
            _curve(f"m = {few}, 4 epochs", measured.four_epochs, MeanIterate.unexplained),
            _curve(f"m = {many}, 1 epoch", measured.small_batches, MeanIterate.unexplained),
        ),
        reference=None,
        rules=(_UNITY, Rule(f"ε = 2/λ, m = {few}", x=2.0 * few)),
    )


def _errors(setting: Setting, measured: Measurements) -> PanelSeries:
    few = setting.num_batches(ONE_EPOCH)
    errors = (
        _modified_error(measured),
        _curve(
            "from the flow on C",
            measured.one_epoch,
            lambda one, kept: one.plain_error(kept) / one.displacement,
        ),
    )
    return PanelSeries(
        name="errors",
        title=f"Error of the flows, m = {few}, 1 epoch",
        x_scale="log2",
        series=errors,
        reference=None,
        y_label="distance from the flow / from the start",
        rules=(_UNITY, Rule("ε = 2/λ", x=2.0 * few)),
        # a share of the displacement, which is O(ε) itself: one order less than the error
        order_lines=tuple(
            order_line(order, SMALL_TIMES, [y or 0.0 for y in one.mean[: len(SMALL_TIMES)]])
            for order, one in zip((2, 1), errors, strict=True)
        ),
    )


def _noise(setting: Setting, measured: Measurements) -> PanelSeries:
    """Draw the deviation of one sample beside the error that is to be measured."""
    few, size = setting.num_batches(ONE_EPOCH), ONE_EPOCH.group_size

    def of(label: str, noise: Callable[[MeanIterate], Tensor]) -> Series:
        return _curve(
            label, measured.one_epoch, lambda one, kept: deviation(noise(one)[kept], size) / one.displacement
        )

    return PanelSeries(
        name="noise",
        title=f"Noise beside the error, m = {few}, 1 epoch",
        x_scale="log2",
        series=(
            of("one run", lambda one: one.single),
            of("an order and its reverse, averaged", lambda one: one.pairs),
            of("the same, batches' composition taken out", lambda one: one.corrected),
            _modified_error(measured),
        ),
        reference=None,
        y_label="deviation of one sample / displacement",
    )


def _modified_error(measured: Measurements) -> Series:
    return _curve(
        "from the flow on E C_SGD", measured.one_epoch, lambda one, kept: one.error(kept) / one.displacement
    )


def _curve(label: str, iterates: Mapping[float, MeanIterate], statistic: Statistic) -> Series:
    found = estimate(list(iterates.values()), statistic)
    return curve(label, tuple(iterates), tuple(found.values), tuple(found.standard_errors))
