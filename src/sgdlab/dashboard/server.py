"""Serving the dashboard until it is interrupted."""

from __future__ import annotations

import errno
import logging
import os
from typing import Any

from flask import Flask

from sgdlab.dashboard.access import is_loopback, new_token
from sgdlab.dashboard.app import make_app
from sgdlab.dashboard.catalogue import Catalogue
from sgdlab.dashboard.live import Live
from sgdlab.errors import UsageError
from sgdlab.launch.live.reader import LiveReader

_THREADS = 8
_FORGOTTEN_S = 60  # connections of pages that went away


def serve(catalogue: Catalogue, reader: LiveReader, host: str, port: int) -> None:
    """Print the address, and serve until Ctrl-C; port 0 takes a free one.

    Raises
    ------
    UsageError
        If the port is taken or may not be used, or the host isn't one of this machine's.
    """
    token = None if is_loopback(host) else new_token()
    with Live(reader) as live:
        app = make_app(catalogue, live, token)
        server = bind(app.server, host, port)
        print(address_of(host, server.effective_port, token), flush=True)
        print("Ctrl-C ends it; nothing that trains is touched", flush=True)
        server.run()


def bind(app: Flask, host: str, port: int) -> Any:
    """Return a server that listens already; raises as `serve`."""
    import waitress

    logging.getLogger("waitress").setLevel(logging.ERROR)
    try:
        return waitress.create_server(
            app,
            host=host,
            port=port,
            threads=_THREADS,
            ident="sgdlab",
            channel_timeout=_FORGOTTEN_S,
            clear_untrusted_proxy_headers=True,
        )
    except (OSError, ValueError) as error:
        raise UsageError(_why_not(error, host, port)) from error


def address_of(host: str, port: int, token: str | None) -> str:
    """Return what a browser is given."""
    named = f"[{host}]" if ":" in host else host
    return f"http://{named}:{port}/" + (f"?token={token}" if token else "")


def _why_not(error: OSError | ValueError, host: str, port: int) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return f"port {port} of {host} is taken, perhaps by another dashboard: --port 0 takes a free one"
    if number == errno.EACCES:
        return f"port {port} may not be used: take one above 1023, or --port 0 for a free one"
    reason = os.strerror(number) if number and number > 0 else str(error)
    return (
        f"--host {host}: can't listen there ({reason}); 127.0.0.1 is this machine alone, 0.0.0.0 all networks"
    )
