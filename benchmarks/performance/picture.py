"""The picture: µs a run and update of every variant, by shape, on a log axis, with the floor marked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from performance.rows import Variant
from performance.training_rows import FLOOR, SGDLAB

_COLUMNS = 2
_BAR, _OURS, _FLOOR_COLOUR = "#9AA5B1", "#0072B2", "#D55E00"


def draw(variants: Sequence[Variant], path: Path) -> None:
    """Draw a panel for each piece of work, its variants from the fastest to the slowest."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    works = list(dict.fromkeys(variant.work for variant in variants))
    num_rows = -(-len(works) // _COLUMNS)
    figure = Figure(figsize=(11, 0.6 + 1.75 * num_rows), layout="constrained")
    axes = figure.subplots(num_rows, _COLUMNS, squeeze=False).flatten()
    for panel, work in zip(axes, works, strict=False):
        _draw_panel(panel, work, [variant for variant in variants if variant.work == work])
    for panel in axes[len(works) :]:
        panel.set_visible(False)
    figure.suptitle("CPU time of one run's update: one core, one thread; shorter is faster", fontsize=11)
    with mpl.rc_context({"svg.hashsalt": "sgdlab"}):  # the same numbers, the same file
        figure.savefig(path, metadata={"Date": None})


def _draw_panel(panel, work: str, variants: Sequence[Variant]) -> None:
    bars = sorted((v for v in variants if v.label != FLOOR), key=lambda v: v.us, reverse=True)
    floors = [v for v in variants if v.label == FLOOR]
    for height, variant in enumerate(bars):
        panel.barh(height, variant.us, height=0.68, color=_OURS if variant.label == SGDLAB else _BAR)
        panel.plot([variant.low, variant.high], [height, height], color="#333333", linewidth=1.2)
        number = f" {variant.us:,.0f} µs" if variant.us < 10_000 else f" {variant.us / 1000:,.1f} ms"
        panel.text(max(variant.us, variant.high), height, number, va="center", fontsize=8)
    everything = [v.us for v in variants]
    panel.set_xscale("log")
    panel.set_xlim(min(everything) / 1.6, max(everything) * 2.2)
    for floor in floors:
        panel.axvline(floor.us, color=_FLOOR_COLOUR, linewidth=1.5, linestyle="--")
        where = (floor.us, 1.0)
        panel.annotate(
            f" floor {floor.us:,.0f} µs",
            where,
            xycoords=panel.get_xaxis_transform(),
            color=_FLOOR_COLOUR,
            fontsize=8,
            va="bottom",
        )
    panel.set_yticks(range(len(bars)), [variant.label for variant in bars], fontsize=8.5)
    panel.set_title(work, fontsize=9.5, pad=14, loc="left")
    panel.tick_params(axis="x", labelsize=8)
    panel.spines[["top", "right"]].set_visible(False)
