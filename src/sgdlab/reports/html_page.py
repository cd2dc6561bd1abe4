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
from sgdlab.config.durations import describe_duration
from sgdlab.errors import UserError
from sgdlab.plots.panel import plot_of
from sgdlab.plots.text import scripts
from sgdlab.reports.numbers import number_text, spread_text
from sgdlab.reports.page_data import ReadCurves, page_data, places_of_points
from sgdlab.reports.section import SweepSection
from sgdlab.runs.files import replace
from sgdlab.sweeps.claims import Expectation

_MOST_POINTS = 100  # in a table that stands there whole; more are shown as far as they are seen

VERDICT_MARKS = {"supported": "✓", "not supported": "✗", "inconclusive": "?"}


def write_report(
    sections: Sequence[SweepSection],
    path: Path,
    made_at: datetime | None = None,
    read_curves: ReadCurves | None = None,
) -> Path:
    """Write the report of some sweeps, all at once: a reader sees the old page or the new one.

    Curves of runs are those that the sweeps have read already, and what `read_curves` finds.

    Raises
    ------
    UserError
        If the file can't be written.
    """
    page = render_report(sections, made_at or datetime.now(UTC), read_curves)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, page.encode())
    except OSError as error:
        raise UserError(f"the report can't be written to {path}: {error.strerror}") from error
    return path


def render_report(
    sections: Sequence[SweepSection], made_at: datetime, read_curves: ReadCurves | None = None
) -> str:
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
        "spread": spread_text,
        "number": number_text,
        "expectation": _expectation,
        "point": describe_point,
        "label": _label,
        "duration": describe_duration,
    }
    data = page_data(sections, read_curves)
    return environment.get_template("report.html.j2").render(
        sections=sections,
        plots=[[plot_of(panel, one.series) for panel in one.series.panels] for one in sections],
        tallies=[Counter(row.verdict for row in section.verdicts) for section in sections],
        marks=VERDICT_MARKS,
        made_at=made_at,
        plotly=Markup(get_plotlyjs()),
        data=data,
        most_points=_MOST_POINTS,
        places=[places_of_points(section) for section in sections],
    )


def _expectation(expect: Expectation) -> str:
    """What the claim's number must be."""
    if expect.above is not None:
        return f"> {number_text(expect.above)}"
    if expect.within is not None:
        return f"in [{number_text(expect.within[0])}, {number_text(expect.within[1])}]"
    return f"< {number_text(expect.below)}"


def _label(text: str) -> Markup:
    """A label with its powers as superscripts, everything else as it is."""
    return Markup(scripts(str(escape(text))))
