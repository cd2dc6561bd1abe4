"""Text of a plot: plotly reads it as HTML and as a template, so all of it is escaped."""

from __future__ import annotations

import html
import re
import textwrap


def scripts(escaped: str) -> str:
    """Turn the ``^{…}`` and ``_{…}`` of labels into HTML's; the text must have been escaped."""
    raised = re.sub(r"\^\{([^{}]*)\}", lambda power: f"<sup>{power[1].replace('-', '−')}</sup>", escaped)
    return re.sub(r"_\{([^{}]*)\}", r"<sub>\1</sub>", raised)


def text_of(text: str) -> str:
    """Escape what plotly would read as HTML or as a template; powers become superscripts."""
    return scripts(html.escape(text, quote=False).replace("%{", "%&#123;"))


def name_of(label: str) -> str:
    """Break a long label into lines: plotly doesn't."""
    return "<br>".join(text_of(line) for line in textwrap.wrap(label, width=40))
