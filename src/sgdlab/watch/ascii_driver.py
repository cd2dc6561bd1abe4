"""A terminal that shows nothing but ASCII: what has no ASCII is drawn by its nearest likeness."""

from __future__ import annotations

from rich.cells import cell_len
from textual.drivers.linux_driver import LinuxDriver

_LIKE = {
    "█": "#",
    "░": ".",
    "…": "~",
    "·": "-",
    "°": " ",
    "−": "-",
    "’": "'",
    "“": '"',
    "”": '"',
    "×": "x",
    "⏎": "=",
    **dict.fromkeys("▏▎▍", "."),
    **dict.fromkeys("▌▋▊▉", "#"),
    **dict.fromkeys("│┃", "|"),
    **dict.fromkeys("─━═╸╺╼╾▁▔▂▃▄▅▆▇▀", "-"),
}


def in_ascii(text: str) -> str:
    """Replace whatever isn't ASCII by as many ASCII characters as it takes cells."""
    return text if text.isascii() else "".join(map(_like, text))


class AsciiDriver(LinuxDriver):
    """Textual's own driver for terminals, for those that aren't set to UTF-8."""

    def write(self, data: str) -> None:
        """Write."""
        super().write(in_ascii(data))


def _like(character: str) -> str:
    return character if character.isascii() else _LIKE.get(character, "?" * cell_len(character))
