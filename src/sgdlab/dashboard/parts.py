"""Small pieces that pages are made of. All text is shown as text: nothing here makes markup of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dash import dcc, html

VERDICT_MARKS = {"supported": "✓", "not supported": "✗", "inconclusive": "?"}
STATE_MARKS = {
    "done": "●",
    "running": "▶",
    "interrupted": "‖",
    "diverged": "↗",
    "failed": "✗",
    "damaged": "⚠",
    "unknown": "?",
    "waiting": "○",
    "missing": "○",
    "spared": "–",
}
_SCRIPT = re.compile(r"([\^_])\{([^{}]*)\}")
_RAISED = str.maketrans("-+0123456789", "⁻⁺⁰¹²³⁴⁵⁶⁷⁸⁹")
_LOWERED = str.maketrans("-+0123456789", "₋₊₀₁₂₃₄₅₆₇₈₉")

Child = Any  # what Dash takes as a child: text, a component, or a list of them


def labelled(text: str) -> list[Child]:
    """Return a label with its ``^{…}`` and ``_{…}`` raised and lowered, everything else as it is."""
    parts: list[Child] = []
    end = 0
    for script in _SCRIPT.finditer(text):
        raise_or_lower = html.Sup if script[1] == "^" else html.Sub
        parts += [text[end : script.start()], raise_or_lower(script[2].replace("-", "−"))]
        end = script.end()
    return [part for part in (*parts, text[end:]) if part != ""]


def plain_label(text: str) -> str:
    """Return a label as text alone, with the raised and lowered digits that Unicode has."""

    def written(script: re.Match[str]) -> str:
        return script[2].translate(_RAISED if script[1] == "^" else _LOWERED)

    return _SCRIPT.sub(written, text)


def number(value: float | None) -> str:
    """Write a number for people."""
    return "–" if value is None else f"{value:.4g}".replace("-", "−").replace("inf", "∞")


def count(amount: int, one: str, many: str | None = None) -> str:
    """Write an amount with its noun."""
    return f"{amount:,} {one if amount == 1 else many or f'{one}s'}"


def verdict_badge(decision: str, amount: int | None = None) -> html.Span:
    """Return a verdict as a coloured mark with its name."""
    shown = decision if amount is None else f"{amount} {decision}"
    mark = html.Span(f"{VERDICT_MARKS[decision]} ", **hidden())
    return html.Span([mark, shown], className=f"badge {decision.replace(' ', '-')}")


def state_badge(state: str, amount: int | None = None) -> html.Span:
    """Return a state of runs as a mark with its name."""
    shown = state if amount is None else f"{amount:,} {state}"
    return html.Span(
        [html.Span(f"{STATE_MARKS.get(state, '·')} ", **hidden()), shown], className=f"state state-{state}"
    )


def table(
    caption: str, headings: Sequence[Child], rows: Iterable[Sequence[Child]], tall: bool = False
) -> html.Div:
    """Return a table that scrolls by itself where it is too wide; the first cell of a row is its heading."""
    head = html.Thead(html.Tr([html.Th(heading, scope="col") for heading in headings]))
    body = html.Tbody(
        [
            html.Tr(
                [
                    html.Th(row[0], scope="row"),
                    *(cell if _is_cell(cell) else html.Td(cell) for cell in row[1:]),
                ]
            )
            for row in rows
        ]
    )
    return html.Div(
        html.Table([head, body]),
        className="scroll tall" if tall else "scroll",
        role="region",
        tabIndex=0,
        **named(caption),
    )


def number_cell(value: Child) -> html.Td:
    """Return a cell whose digits stand below each other."""
    return html.Td(value, className="number")


def definitions(pairs: Iterable[tuple[str, Child]]) -> html.Dl:
    """Return names and values."""
    return html.Dl([html.Div([html.Dt(name), html.Dd(value)]) for name, value in pairs])


def folded(summary: str, *children: Child) -> html.Details:
    """Return something that is shown when asked for."""
    return html.Details([html.Summary(summary), *children])


def choice(label: str, name: str, options: Mapping[str, str]) -> html.Div:
    """Return a choice of one of some options, value → text; the first is chosen."""
    field = dcc.Dropdown(
        id=name,
        options=[{"label": text, "value": value} for value, text in options.items()],
        value=next(iter(options)),
        clearable=False,
        searchable=False,
    )
    return html.Div([html.Label(label, htmlFor=name), field])


def notice(*children: Child, kind: str = "notice") -> html.Div:
    """Return something that a reader must be told."""
    return html.Div(list(children), className=f"notice {kind}", role="note")


def named(label: str) -> dict[str, Any]:
    """Return what names a component to those who hear the page."""
    return {"aria-label": label}


def hidden() -> dict[str, Any]:
    """Return what keeps a mark from being read aloud beside its name."""
    return {"aria-hidden": "true"}


def _is_cell(cell: Child) -> bool:
    return isinstance(cell, html.Td)
