"""How all figures look: one style, colours that colour-blind readers tell apart, marks that repeat them.

Sizes of marks belong to text of 9 points and grow and shrink with it, so that a figure looks the same in a
narrow column. The fonts are those that matplotlib ships, since a figure must not depend on what a machine has
installed; DejaVu Sans at 7 points has small letters as high as those of Times at 8.5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from matplotlib import rc_context, rcdefaults, rcParams

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
DASHES = ("-", "--", "-.", ":")
GREY = "#555555"

Style = Mapping[str, Any]

CURVE: Style = {"linewidth": 1.3, "markersize": 4}
BARS: Style = {"elinewidth": 0.9, "capsize": 2, "capthick": 0.9}
TRAJECTORY: Style = {"linewidth": 1.4}
POINTS: Style = {
    "marker": "o",
    "markersize": 2.6,
    "markeredgewidth": 0,
    "alpha": 0.55,
    "linestyle": "none",
    "zorder": 3,
}
THIN: Style = {"linewidth": 0.8, "alpha": 0.5, "zorder": 2}
STAR: Style = {
    "marker": "*",
    "markersize": 11,
    "markeredgecolor": "white",
    "markeredgewidth": 0.7,
    "linestyle": "none",
}
OPTIMUM_BAR: Style = {"linewidth": 6, "alpha": 0.28, "solid_capstyle": "butt"}
ENDS: Style = {"marker": "x", "markersize": 6, "markeredgewidth": 1.4, "linestyle": "none", "zorder": 5}
EDGE: Style = {
    "marker": "o",
    "markersize": 10,
    "markerfacecolor": "none",
    "markeredgewidth": 1.0,
    "linestyle": "none",
    "zorder": 5,
}
NO_VALUE: Style = {"markersize": 5, "markerfacecolor": "none", "linestyle": "none"}
REFERENCE: Style = {"color": "#333333", "linestyle": ":", "linewidth": 1.2}
ORDER_LINE: Style = {"color": "#777777", "linestyle": (0, (4, 3)), "linewidth": 0.9, "zorder": 1}
_RULE_DASHES = ("dashed", "dotted", "dashdot")

_TEXT = 9.0  # points, that sizes of marks are for
_SIZES = ("linewidth", "markersize", "markeredgewidth", "elinewidth", "capsize", "capthick")
_SMALLEST = 6.5  # points; what is smaller is not read in print


@contextmanager
def styled(text: float = _TEXT) -> Iterator[None]:
    """Draw in the project's style, with text of so many points; a person's own matplotlibrc doesn't count."""
    with rc_context():
        rcdefaults()
        rcParams.update(
            {
                "font.size": text,
                "axes.titlesize": text + 0.5,
                "axes.labelsize": text + 0.5,
                "legend.fontsize": max(_SMALLEST, text - 0.5),
                "axes.linewidth": 0.7,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "xtick.labelsize": max(_SMALLEST, text - 0.5),
                "ytick.labelsize": max(_SMALLEST, text - 0.5),
                "xtick.major.size": 0.35 * text,
                "ytick.major.size": 0.35 * text,
                "axes.grid": True,
                "axes.axisbelow": True,
                "grid.color": "#e6e6e6",
                "grid.linewidth": 0.6,
                "legend.frameon": False,
                "mathtext.fontset": "dejavusans",
                "pdf.fonttype": 42,  # TrueType, embedded: publishers refuse type 3
                "ps.fonttype": 42,
                "svg.fonttype": "path",  # the same letters wherever it is opened
                "svg.hashsalt": "sgdlab",
                "path.simplify": False,
                "text.hinting": "none",  # letters are as wide in dots as they are on paper
            }
        )
        yield


def in_proportion(style: Style) -> dict[str, Any]:
    """Return the style of a mark with its sizes in proportion to the text of the style in force."""
    factor = rcParams["font.size"] / _TEXT
    return {name: value * factor if name in _SIZES else value for name, value in style.items()}


def note_size() -> float:
    """Return the size of what is written inside a panel, in points."""
    return float(max(_SMALLEST, rcParams["font.size"] - 1.5))


def rule_style(index: int) -> dict[str, Any]:
    """Return how a panel's line of that number looks."""
    dash = _RULE_DASHES[index % len(_RULE_DASHES)]
    return in_proportion({"color": "#333333", "linestyle": dash, "linewidth": 1.0})


def trajectory_dash(index: int) -> str:
    """Return the line style of a trajectory; it tells those apart that share a colour."""
    return DASHES[index // len(COLOURS) % len(DASHES)]
