"""The picture: µs a run and update of every variant, by shape, on a log axis, with the floor marked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from performance.rows import Variant
from performance.training_rows import FLOOR, SGDLAB

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 2
_BAR, _OURS, _FLOOR_COLOUR = "#9AA5B1", "#0072B2", "#D55E00"  # grey, and two of the figures' colours


def draw(variants: Sequence[Variant], path: Path) -> None:
    """Draw a panel for each piece of work, its variants from the fastest to the slowest."""
    from matplotlib.figure import Figure

    from sgdlab.figures.style import styled

    works = list(dict.fromkeys(variant.work for variant in variants))
    with styled():
        num_rows = -(-len(works) // _COLUMNS)
        figure = Figure(figsize=(11, 0.6 + 1.75 * num_rows), layout="constrained")
        axes = figure.subplots(num_rows, _COLUMNS, squeeze=False).flatten()
        for panel, work in zip(axes, works, strict=False):
            _draw_panel(panel, work, [variant for variant in variants if variant.work == work])
        for panel in axes[len(works) :]:
            panel.set_visible(False)
        figure.suptitle("CPU time of one run's update: one core, one thread; shorter is faster", fontsize=11)
        figure.savefig(path, metadata={"Date": None})


def _draw_panel(panel: Axes, work: str, variants: Sequence[Variant]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    bars = sorted((v for v in variants if v.label != FLOOR), key=lambda v: v.us, reverse=True)
    floors = [v for v in variants if v.label == FLOOR]
    for height, variant in enumerate(bars):
        panel.barh(height, variant.us, height=0.68, color=_OURS if variant.label == SGDLAB else _BAR)
        panel.plot([variant.low, variant.high], [height, height], color="#333333", linewidth=1.2)
        place = (variant.high, height)
        panel.annotate(
            _duration(variant.us),
            place,
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        )
    everything = [v.us for v in variants]
    spread = max(everything) / min(everything)
    panel.set_xscale("log")
    panel.set_xlim(min(everything) / 3, max(everything) * 2.5)
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if spread < 10 else (1, 3)))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda us, _: _duration(us)))
    panel.xaxis.set_minor_formatter(NullFormatter())
    for floor in floors:
        panel.axvline(floor.us, color=_FLOOR_COLOUR, linewidth=1.5, linestyle="--")
        where = (floor.us, 1.0)
        panel.annotate(
            f" floor {_duration(floor.us)}",
            where,
            xycoords=panel.get_xaxis_transform(),
            color=_FLOOR_COLOUR,
            fontsize=8,
            va="bottom",
        )
    panel.set_yticks(range(len(bars)), [variant.label for variant in bars], fontsize=8.5)
    panel.set_title(work, fontsize=9.5, pad=14, loc="left")
    panel.tick_params(axis="x", labelsize=8)
    panel.grid(visible=False)


def _duration(us: float) -> str:
    """Write a time as people read it."""
    return f"{us:,.0f} µs" if us < 5_000 else f"{us / 1000:,.3g} ms"
