"""Draw a figure's series to PNG, PDF and SVG, in the manner of a paper.

The same series give the same bytes: no dates, fixed identifiers, fonts embedded as TrueType, or as outlines
in SVG.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sgdlab.analysis.series import FigureSeries
from sgdlab.errors import UserError
from sgdlab.figures.layout import lay_out
from sgdlab.figures.page import SCREEN, Page
from sgdlab.figures.style import styled
from sgdlab.figures.text import plain
from sgdlab.runs.files import replace

FORMATS = ("png", "pdf", "svg")

# No date anywhere: a figure drawn twice is one figure.
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None},
    "svg": {"Date": None},
}
_DOTS_PER_INCH, _DOTS_IN_PRINT = 200, 400


def draw(
    series: FigureSeries,
    folder: Path,
    name: str,
    formats: Sequence[str] = FORMATS,
    dots_per_inch: int | None = None,
    page: Page = SCREEN,
) -> list[Path]:
    """Draw ``folder/name.png``, ``.pdf`` and ``.svg``; return their paths. Each appears whole or not.

    For a paper there is a ``.caption.txt`` as well. `dots_per_inch` is of what is drawn in dots.

    Raises
    ------
    UserError
        If something can't be written.
    """
    if dots_per_inch is None:
        dots_per_inch = _DOTS_PER_INCH if page.width is None else _DOTS_IN_PRINT
    contents = {}
    with styled(page.text):
        figure = lay_out(series, page)
        for suffix in formats:
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix, dpi=dots_per_inch, metadata=_METADATA[suffix])
            contents[suffix] = buffer.getvalue()
    if page.caption == "beside it":
        contents["caption.txt"] = caption_of(series).encode()
    paths = []
    for suffix, content in contents.items():
        path = folder / f"{name}.{suffix}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace(path, content)
        except OSError as error:
            raise UserError(f"the figure can't be written to {path}: {error.strerror}") from error
        paths.append(path)
    return paths


def caption_of(series: FigureSeries) -> str:
    """Return the caption as plain text: the title, then protocol, counts and exclusions, one line each."""
    lines = [series.title, *series.caption]
    return "".join(f"{plain(line).removesuffix('.')}.\n" for line in lines)
