"""Text of a Markdown page: what Markdown would take for its marks is escaped, labels get their scripts."""

from __future__ import annotations

import re

from sgdlab.plots.text import scripts

# Marks that mean something in the middle of a line: emphasis, code, links, tags, entities, cells of a table.
# An underscore within a word is no mark, and names of metrics are full of them.
_MARKS = re.compile(r"[\\*`|]|\](?=\()|<(?=[A-Za-z/!?])|&(?=[A-Za-z#])|(?<!\w)_(?!\{)|_(?![\w{])")


def markdown(text: str) -> str:
    """Escape a line of text; ``^{…}`` and ``_{…}`` become superscripts and subscripts."""
    return scripts(_MARKS.sub(r"\\\g<0>", " ".join(text.split())))
