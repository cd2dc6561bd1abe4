"""The Dash application: pages, callbacks and assets, guarded; it needs a server to be seen."""

from __future__ import annotations

import logging

from dash import Dash

from sgdlab.dashboard.access import guard
from sgdlab.dashboard.callbacks import register
from sgdlab.dashboard.catalogue import Catalogue
from sgdlab.dashboard.live import Live
from sgdlab.dashboard.pages import shell
from sgdlab.dashboard.views import Views

_INDEX = """<!DOCTYPE html>
<html lang="en">
<head>
{%metas%}
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{%title%}</title>
{%css%}
</head>
<body>
{%app_entry%}
{%config%}{%scripts%}{%renderer%}
</body>
</html>"""


def make_app(catalogue: Catalogue, live: Live, token: str | None = None) -> Dash:
    """Return the application; with a token it answers only to who has it, else only to this machine."""
    app = Dash(
        "sgdlab.dashboard",
        title="Sweeps – sgdlab",
        update_title="",
        index_string=_INDEX,
        serve_locally=True,
        suppress_callback_exceptions=True,  # pages come and go
        enable_mcp=False,
        add_log_handler=False,
    )
    app.logger.setLevel(logging.WARNING)
    app.layout = shell.layout(catalogue.scale, str(catalogue.store.root))
    register(app, Views(catalogue, live))
    guard(app.server, token, app.csp_hashes())
    return app
