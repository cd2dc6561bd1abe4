"""A table on the screen that fits its width, and keeps its place while what it shows changes."""

from __future__ import annotations

from typing import Literal

from rich.text import Text
from textual import events
from textual.binding import Binding
from textual.widgets import DataTable

from sgdlab.watch.columns import Column, Table, cut, fit

_SCROLLBAR = 1


class TableView(DataTable[Text]):
    """Shows a `Table`; the cursor stays on its row, wherever that goes."""

    BINDINGS = [Binding("enter", "select_cursor", "Details", key_display="enter")]

    def __init__(self, id: str) -> None:
        super().__init__(id=id, cursor_type="row", cell_padding=1)
        self._table: Table | None = None
        self._drawn: tuple[Table, int] | None = None

    def show(self, table: Table) -> None:
        """Show it from now on."""
        self._table = table
        self._draw()

    def on_resize(self, _: events.Resize) -> None:
        """Choose the columns anew."""
        self._draw()

    @property
    def row_id(self) -> str | None:
        """The row under the cursor; None where there is none."""
        if self._table is None or not 0 <= self.cursor_row < len(self._table.rows):
            return None
        return self._table.rows[self.cursor_row].id

    def _draw(self) -> None:
        width = self.size.width - _SCROLLBAR
        if self._table is None or width <= 0 or self._drawn == (self._table, width):
            return
        at, id_at, scrolled = self.cursor_row, self._drawn_id(), self.scroll_y
        self._drawn = (self._table, width)
        self.clear(columns=True)
        self.show_header = bool(self._table.rows)
        if self._table.rows:
            self._draw_rows(self._table, width)
        else:
            self.add_column("", width=max(1, width - 2))
            self.add_row(Text(self._table.instead, style="dim"))
        ids = [row.id for row in self._table.rows]
        self.scroll_to(y=scrolled, animate=False)
        self.move_cursor(row=ids.index(id_at) if id_at in ids else max(0, min(at, len(ids) - 1)))

    def _drawn_id(self) -> str | None:
        if self._drawn is None or not 0 <= self.cursor_row < len(self._drawn[0].rows):
            return None
        return self._drawn[0].rows[self.cursor_row].id

    def _draw_rows(self, table: Table, width: int) -> None:
        places = fit(table.columns, width - 2)  # a space at either end, two between columns
        for place, characters in places:
            column = table.columns[place]
            self.add_column(_text(column, column.title, characters), width=characters)
        for row in table.rows:
            cells = [
                _text(table.columns[place], row.cells[place], characters, row.style_of(place))
                for place, characters in places
            ]
            self.add_row(*cells, key=row.id)


def _text(column: Column, text: str, characters: int, style: str = "") -> Text:
    """Return what stands in a cell; text, never markup."""
    justify: Literal["left", "right"] = "right" if column.is_number else "left"
    return Text(cut(text, characters), style, justify=justify, no_wrap=True)
