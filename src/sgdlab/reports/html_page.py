"""The report: one HTML page that needs nothing but a browser, not even a network.

plotly.js is in the page once; the page's own policy forbids it to fetch anything. All text comes from sweep
files and counts as hostile: jinja2 escapes it in the page, `plots` for plotly, `tojson` inside a script.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from sgdlab.analysis.points import describe_point
from sgdlab.analysis.protocol import Spread
from sgdlab.config.durations import describe_duration
from sgdlab.errors import UserError
from sgdlab.plots.panel import plot_of
from sgdlab.plots.text import scripts
from sgdlab.reports.section import SweepSection
from sgdlab.runs.files import replace
from sgdlab.sweeps.claims import Expectation

VERDICT_MARKS = {"supported": "✓", "not supported": "✗", "inconclusive": "?"}


def write_report(sections: Sequence[SweepSection], path: Path, made_at: datetime | None = None) -> Path:
    """Write the report of some sweeps, all at once: a reader sees the old page or the new one.

    Raises
    ------
    UserError
        If the file can't be written.
    """
    page = render_report(sections, made_at or datetime.now(UTC))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, page.encode())
    except OSError as error:
        raise UserError(f"the report can't be written to {path}: {error.strerror}") from error
    return path


def render_report(sections: Sequence[SweepSection], made_at: datetime) -> str:
    """Return the page as text."""
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=PackageLoader("sgdlab.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    environment.filters |= {
        "spread": _spread,
        "number": _number,
        "expectation": _expectation,
        "point": describe_point,
        "label": _label,
        "duration": describe_duration,
    }
    return environment.get_template("report.html.j2").render(
        sections=sections,
        plots=[[plot_of(panel, one.series) for panel in one.series.panels] for one in sections],
        tallies=[Counter(row.verdict for row in section.verdicts) for section in sections],
        marks=VERDICT_MARKS,
        made_at=made_at,
        plotly=Markup(get_plotlyjs()),
    )


def _spread(spread: Spread | None) -> str:
    """Mean and standard deviation to the same decimal: the second digit of the deviation."""
    if spread is None:
        return "–"
    if spread.std is None:
        return _number(spread.mean)
    decimals = 4 if spread.std == 0 else max(0, 1 - int(f"{spread.std:e}".partition("e")[2]))
    return f"{spread.mean:.{decimals}f} ± {spread.std:.{decimals}f}".replace("-", "−")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}".replace("-", "−").replace("inf", "∞")


def _expectation(expect: Expectation) -> str:
    """What the claim's number must be."""
    if expect.above is not None:
        return f"> {_number(expect.above)}"
    if expect.within is not None:
        return f"in [{_number(expect.within[0])}, {_number(expect.within[1])}]"
    return f"< {_number(expect.below)}"


def _label(text: str) -> Markup:
    """A label with its powers as superscripts, everything else as it is."""
    return Markup(scripts(str(escape(text))))
