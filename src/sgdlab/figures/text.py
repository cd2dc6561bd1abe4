"""Labels as matplotlib writes them, and broken into lines that fit."""

from __future__ import annotations

import re
from functools import lru_cache

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

_POINTS_PER_INCH = 72
_RESERVE = 1.02  # dots are whole
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def mathtext(label: str) -> str:
    """Turn ``2^{-6}`` and ``_{n}`` into matplotlib's, unless the label is already written for it."""
    return label if "$" in label else re.sub(r"(\d+\^\{[^}]*\}|_\{[^}]*\})", r"$\1$", label)


def plain(label: str) -> str:
    """Turn ``2^{-6}`` into 2⁻⁶, for text without any markup; an index stays behind its underscore."""
    raised = re.sub(r"\^\{([-\d]+)\}", lambda power: power[1].translate(_SUPERSCRIPTS), label)
    return re.sub(r"_\{(\w+)\}", r"_\1", raised)


def points(size: float | str) -> float:
    """Return a size in points; matplotlib has names such as ``large`` for some."""
    return float(FontProperties(size=size).get_size_in_points())


@lru_cache(maxsize=4096)
def width_of(label: str, size: float | str) -> float:
    """Return how wide a label of one line is, in inches; `size` in points."""
    if not label.strip():
        return 0.0
    path = TextPath((0, 0), mathtext(label), prop=FontProperties(size=size))
    return _RESERVE * float(path.get_extents().x1) / _POINTS_PER_INCH


def wrap(label: str, width: float, size: float | str) -> str:
    """Break a label between words into lines of at most `width` inches, as even as can be.

    A word that is wider stands alone.
    """
    lines = fill(label, width, size)
    for share in (0.6, 0.7, 0.8, 0.9):  # the narrowest that needs no more lines is the most even
        narrower = fill(label, share * width, size)
        if len(lines) > 1 and len(narrower) == len(lines):
            return "\n".join(narrower)
    return "\n".join(lines)


def fill(label: str, width: float, size: float | str) -> list[str]:
    """Break a paragraph between words into lines of at most `width` inches, each as full as can be."""
    space = width_of("n n", size) - width_of("nn", size)
    lines: list[str] = []
    taken = width
    for word in re.findall(r"(?:\$[^$]*\$|\S)+", label):  # a formula is one word
        needed = width_of(word, size)
        if lines and taken + space + needed <= width:
            lines[-1] += f" {word}"
            taken += space + needed
        else:
            lines.append(word)
            taken = needed
    return lines
