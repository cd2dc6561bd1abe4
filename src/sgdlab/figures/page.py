"""What a figure is drawn for: a screen, or the column of a paper, whose width its venue prescribes.

The widths are tueplots', which keeps those of the venues' style files. On a screen a figure is as wide as its
panels want, and carries its caption, since pictures travel alone. In a paper it has exactly the column's
width, so that its text is printed in the size it is drawn in; the caption is a file beside it, for the paper
sets it in its own type, where it can be edited and searched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from tueplots import figsizes

from sgdlab.errors import UsageError

# Each venue's present style, by tueplots' name. A venue of two columns has a figure across both as NAME-wide.
_STYLES = {
    "aaai": "aaai2024_half",
    "aaai-wide": "aaai2024_full",
    "aistats": "aistats2025_half",
    "aistats-wide": "aistats2025_full",
    "colm": "colm2026",
    "cvpr": "cvpr2024_half",
    "cvpr-wide": "cvpr2024_full",
    "eccv": "eccv2024",
    "iclr": "iclr2024",
    "icml": "icml2024_half",
    "icml-wide": "icml2024_full",
    "jmlr": "jmlr2001",
    "neurips": "neurips2024",
    "tmlr": "tmlr2023",
    "uai": "uai2023_half",
    "uai-wide": "uai2023_full",
}
VENUES = tuple(_STYLES)

_MM_PER_INCH = 25.4
_NARROWEST, _WIDEST = 40.0, 600.0  # mm
_ON_SCREEN = {1: 5.6, 2: 9.0}  # inches, by columns of panels
_ON_SCREEN_OTHERWISE = 12.4
_MAX_COLUMNS = 3
_NARROWEST_PANEL = 0.235  # inches a point of text, its labels included


@dataclass(frozen=True)
class Page:
    """The size of a figure's text, its width, and the place of its caption."""

    text: float  # points
    width: float | None  # inches; None: as its panels want
    caption: Literal["in the picture", "beside it"]

    def shape_for(self, num_panels: int) -> tuple[int, int]:
        """Return the number of rows and of columns that panels are arranged in."""
        most = _MAX_COLUMNS
        if self.width is not None:
            most = max(1, min(most, int(self.width / (_NARROWEST_PANEL * self.text))))
        num_rows = max(1, -(-num_panels // most))
        return num_rows, max(1, -(-num_panels // num_rows))

    def width_for(self, num_columns: int) -> float:
        """Return the width of the figure, in inches."""
        if self.width is not None:
            return self.width
        return _ON_SCREEN.get(num_columns, _ON_SCREEN_OTHERWISE)

    @property
    def height_of_panel(self) -> tuple[float, float]:
        """What a panel's height is at least and at most, in inches; between, it goes by the panel's width."""
        return 0.16 * self.text, 2.55 * self.text / SCREEN.text


SCREEN = Page(text=9, width=None, caption="in the picture")


def page_of(venue: str) -> Page:
    """Return the page of a venue, such as ``neurips`` or ``icml-wide``, or of a width such as ``84mm``.

    Raises
    ------
    UsageError
        If there is no such venue, or the width is none that a figure can have.
    """
    if width := re.fullmatch(r"(\d+(?:\.\d+)?) ?mm", venue):
        millimetres = float(width[1])
        if not _NARROWEST <= millimetres <= _WIDEST:
            raise UsageError(f"--venue={venue}: a figure is {_NARROWEST:g} to {_WIDEST:g} mm wide")
        return _paper(millimetres / _MM_PER_INCH)
    if venue not in _STYLES:
        raise UsageError(
            f"--venue={venue}: no venue of that name; there are {', '.join(VENUES)}, and a column's width "
            "such as 84mm"
        )
    return _paper(getattr(figsizes, _STYLES[venue])()["figure.figsize"][0])


def _paper(width: float) -> Page:
    return Page(text=7, width=width, caption="beside it")
