"""Tables that fit: where there is no room, the least important columns go first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

GAP = 2  # between columns


@dataclass(frozen=True)
class Column:
    """One column; of width 0: whatever is left, but at least so many characters."""

    title: str
    width: int
    rank: int = 0  # what goes first has the highest; 0 never goes
    is_number: bool = False
    at_least: int = 12  # where its width is 0

    @property
    def least(self) -> int:
        """The narrowest it may be."""
        return self.width or self.at_least


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    id: str  # which it is from one moment to the next
    cells: tuple[str, ...]
    style: str = ""
    styled: int | None = None  # the cell that has the style; None: all of them

    def style_of(self, place: int) -> str:
        """Return the style of a cell."""
        return self.style if self.styled in (None, place) else ""


@dataclass(frozen=True)
class Table:
    """What a table shows, whatever room there is."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    instead: str = ""  # what is said where there are no rows


def fit(columns: Sequence[Column], width: int) -> list[tuple[int, int]]:
    """Return which columns there is room for, and how wide each is: place → characters."""
    kept = list(range(len(columns)))
    while len(kept) > 1 and _needed(columns, kept) > width:
        last = max(kept, key=lambda place: (columns[place].rank, place))
        if columns[last].rank == 0:
            break
        kept.remove(last)
    rest = max(0, width - _needed(columns, kept))
    return [
        (place, columns[place].width or min(columns[place].least + rest, max(1, width))) for place in kept
    ]


def cut(text: str, width: int) -> str:
    """Shorten text in its middle: the end of a sweep's name tells as much as its beginning."""
    if len(text) <= width:
        return text
    if width < 5:
        return text[:width]
    head = (width - 1) // 2
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def _needed(columns: Sequence[Column], kept: Sequence[int]) -> int:
    return sum(columns[place].least for place in kept) + GAP * (len(kept) - 1)
